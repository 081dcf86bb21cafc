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

struct Transition {
  // What to answer.
  Outcome outcome;
  // Whether the row differs now. A refusal changes nothing, but for a start that finds the lease
  // over and no attempt left.
  bool changed = false;
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
