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

namespace tracker::chaos {

// A state in which the task may be.
struct State {
  std::optional<domain::Task> task;
  // The acts without an answer that have taken effect, by their place in the acts.
  std::vector<size_t> used;
  // Within the search: the last effect that was assumed is an operator's, on a task that nobody
  // held; it left no trace but the state.
  bool last_by_operator = false;

  friend bool operator==(const State&, const State&) = default;
};

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

// How far the database's clock may seem to be from the callers': it is read within the call, but
// the offset between the two is itself measured.
inline constexpr absl::Duration kClockSlack = absl::Milliseconds(20);
// A call that was not answered takes effect so soon after it began, or never: longer than any
// deadline of a caller, the server's own bounds and any fault of the plan together.
inline constexpr absl::Duration kLateEffect = absl::Minutes(2);

WalkResult WalkTask(const std::vector<Act>& acts, const domain::Policy& policy);

}  // namespace tracker::chaos
