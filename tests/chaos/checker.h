// Reads the history of a whole run and says what is wrong with it.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/chaos/acts.h"
#include "tests/chaos/rules.h"

namespace tracker::chaos {

// The acts of one task, taken apart.
struct Lives {
  // What one commit has made and deleted: nobody else has ever seen it, no row was there to be
  // locked, and so its times need not be in the order of the others. Each by itself, with all acts
  // that were not answered.
  std::vector<std::vector<Act>> within_a_commit;
  // All else; in place of each of those an act that found no task.
  std::vector<Act> rest;
};

struct Verdict {
  std::vector<Violation> violations;
  // Tasks whose later answers were not looked at: there were too many ways to try.
  std::vector<Violation> undecided;
  // What was looked at: tasks, versions of them, acts with and without an answer, and effects that
  // had to be assumed, as nobody was told of them.
  int tasks = 0;
  int64_t versions = 0;
  int64_t answered = 0;
  int64_t unanswered = 0;
  int64_t assumed = 0;
  // What the violations point into.
  std::deque<Lives> lives;
};

// The acts must outlive the verdict.
Verdict Check(const Acts& acts, const Policies& policies);

// For people, with the calls that show it, a line each.
std::string Show(const Violation& violation);

}  // namespace tracker::chaos
