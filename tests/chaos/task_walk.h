// Whether what the callers of one task were told fits some order of the state machine's transitions
// (domain::Apply is the model).
//
// Nearly every answer shows the task's update_time and create_time, which together name a version
// of it; versions come in the order of these times. So the walk goes from version to version. For
// each it looks for all ways from the states that are possible before to ones that fit every answer
// of that version: by the acts which were answered with it, and by what nobody was told of, be it a
// call without an answer or something that Tracker does by itself (the end of a lease, the giving
// back of a claim that reached nobody, the purge). It assumes the fewest of the latter that do.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "src/domain/policy.h"
#include "src/domain/task.h"
#include "tests/chaos/acts.h"
#include "tests/chaos/way_search.h"

namespace tracker::chaos {

// What cannot be explained.
struct Unexplained {
  // The version's acts, none of which is superfluous: without any of them there is a way.
  std::vector<const Act*> acts;
  // The states before it.
  std::vector<State> before;
  // The acts of the version before it.
  std::vector<const Act*> last;
  std::string why;
  // The search was given up: there may be a way.
  bool undecided = false;
};

struct WalkResult {
  std::optional<Unexplained> unexplained;
  int versions = 0;
  // Effects of unanswered calls, and of Tracker itself, that had to be assumed.
  int assumed = 0;
};

WalkResult WalkTask(const std::vector<Act>& acts, const domain::Policy& policy);

}  // namespace tracker::chaos
