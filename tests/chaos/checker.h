// Reads the history of a whole run and says what is wrong with it.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/chaos/acts.h"
#include "tests/chaos/rules.h"

namespace tracker::chaos {

struct Verdict {
  std::vector<Violation> violations;
  // What was looked at: tasks, versions of them, acts with and without an answer, and effects that
  // had to be assumed, as nobody was told of them.
  int tasks = 0;
  int64_t versions = 0;
  int64_t answered = 0;
  int64_t unanswered = 0;
  int64_t assumed = 0;
};

// The acts must outlive the verdict.
Verdict Check(const Acts& acts, const Policies& policies);

// For people, with the calls that show it, a line each.
std::string Show(const Violation& violation);

}  // namespace tracker::chaos
