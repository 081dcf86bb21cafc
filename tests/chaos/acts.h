// A history taken apart by tasks: each thing that a call asked of one task, with what it was told
// about that task. A Batch is as many acts as it has operations; a Claim that was answered is one
// for each task that it got, and one that was not may have started any task of its namespace.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "src/domain/command.h"
#include "tests/chaos/history.h"
#include "tests/chaos/namespaces.h"

namespace tracker::chaos {

enum class Asks {
  // A command, which is in `command`.
  kWrite,
  // A Claim, which starts the task or, repeated, renews its lease; `command` is the Start.
  kClaim,
  // Get or List.
  kLook
};

enum class Told {
  // No answer, or one that leaves open whether it was done: it may be done until `end`, which is
  // mostly never.
  kNothing,
  kDone,
  // With a reason, and the task as it stands where there is one.
  kRefused,
};

struct Act {
  // The exchange, and which of its operations.
  const Exchange* exchange = nullptr;
  int index = 0;
  domain::TaskKey key;
  Asks asks = Asks::kLook;
  domain::Command command;
  // On the database's clock. Without an answer `end` is the infinite future.
  absl::Time begin;
  absl::Time end = absl::InfiniteFuture();
  Told told = Told::kNothing;
  // With kRefused: "TASK_LOCKED", ...
  std::string reason;
  // What was shown of the task; none: that there is none.
  std::optional<v1::Task> shown;
  // Whether `shown` has data and errors.
  bool whole = false;

  bool IsStart() const {
    return asks == Asks::kClaim || std::holds_alternative<domain::Start>(command.action);
  }
};

using ActsByTask = std::map<domain::TaskKey, std::vector<Act>>;

struct Acts {
  // By task, in the order in which they began.
  ActsByTask by_task;
  // Answers that no caller should see, in words: INTERNAL, a refusal without a reason, ...
  std::vector<std::string> surprises;
};

// `offset` is what the database's clock is ahead of the monotonic one. The history must outlive the
// acts.
Acts TakeApart(const std::vector<Exchange>& history, const Policies& policies,
               absl::Duration offset);

// Whether the answer with this code and reason tells for certain that the call did what it shows,
// or nothing at all.
bool Definite(int code, const std::string& reason);

absl::Time TimeOf(const google::protobuf::Timestamp& time);

// One line: who asked what of which task when, and what it was told.
std::string Show(const Act& act);
std::string Show(const v1::Task& task);

}  // namespace tracker::chaos
