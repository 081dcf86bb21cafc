// The state machine of a task: one pure function. No I/O, no clock, no log, no randomness. Both
// stores call it with the row locked, and write back what it says.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "src/domain/command.h"
#include "src/domain/task.h"

namespace tracker::domain {

// How a command ended the attempt that was under way, if it did.
enum class AttemptEnd { kNone, kSucceeded, kWentWrong };

struct Transition {
  // What to answer.
  Outcome outcome;
  // Whether the row differs now. A refusal changes nothing, but for a start that finds no attempt
  // left of a task that waits for one, or whose lease is over: the task is exhausted then.
  bool changed = false;
  // A failure and a lease that ended went wrong, whoever found it out. An attempt that was given
  // back, taken over or broken off by an operator is neither good nor bad.
  AttemptEnd ended = AttemptEnd::kNone;
};

// Applies `command` to `task` in place; none: there is no such task, before or after. `now` is the
// database's clock, whole microseconds. Where nothing changed, `task` is as it was.
// `unmet`: of Start::after, the namespaces in which the task of the same id has not succeeded.
Transition Apply(std::optional<Task>& task, const Command& command, absl::Time now,
                 const std::vector<std::string>& unmet = {});

// The number of attempts that a task may have: its own, else its namespace's.
int EffectiveMaxAttempts(const Task& task, const Policy& policy);

// The text without everything but its last `limit` bytes, cut between UTF-8 characters. A longer
// text begins with "…".
std::string KeepInnermostEnd(std::string text, size_t limit);

}  // namespace tracker::domain
