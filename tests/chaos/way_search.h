// The search that the walk (task_walk.h) makes for each version of a task: all ways from a state
// before it to states that fit its answers.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "src/domain/policy.h"
#include "src/domain/task.h"
#include "src/domain/transition.h"
#include "tests/chaos/acts.h"

namespace tracker::chaos {

// Effects that nobody was told of, assumed for one version: more come together only when every
// trackerd and every worker is away for longer than several leases.
inline constexpr int kMostAssumed = 6;
// How far the database's clock may seem to be from the callers': it is read within the call, but
// the offset between the two is itself measured.
inline constexpr absl::Duration kClockSlack = absl::Milliseconds(20);
// A call that was not answered takes effect so soon after it began, or never: longer than any
// deadline of a caller, the server's own bounds and any fault of the plan together.
inline constexpr absl::Duration kLateEffect = absl::Minutes(2);

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

// States that are kept for one version, of each number of assumptions.
inline constexpr size_t kMostStates = 64;

// Adds the state, unless one is there that leads as far: the same task, with no more acts used; or
// `most` are there already, or some of the same task.
void Add(State state, size_t most, std::vector<State>& states);

// What any answer shows of one attempt of a task, be it long after it; null: nothing.
struct Attempt {
  const v1::Task* shown = nullptr;
  const v1::TaskError* error = nullptr;

  // Whose it was; null: not known.
  const std::string* worker() const {
    if (shown != nullptr) return &shown->worker();
    return error != nullptr ? &error->worker() : nullptr;
  }
};
// By fence, of one incarnation.
using Attempts = std::map<int64_t, Attempt>;

void Note(const v1::Task& shown, Attempts& attempts);

// For one version; what it is given must outlive it.
class WaySearch {
 public:
  // `attempts` are those of the version's incarnation.
  WaySearch(const std::vector<Act>& acts, const domain::Policy& policy,
            const std::vector<size_t>& unanswered, const Attempts& attempts);

  // The states after the version; empty: there is no way with exactly `assumed` assumptions.
  std::vector<State> Ways(const State& from, const std::vector<const Act*>& version, absl::Time now,
                          int assumed);

  // The same to the end of an incarnation, by `now` at the latest.
  std::vector<State> WaysToNone(const State& from, absl::Time now, int assumed);

  // The search was given up.
  bool undecided() const;

 private:
  void Go(State state, std::vector<bool> done, int assumed);

  // Operations of one Batch take effect in their order.
  bool Ready(size_t i, const std::vector<bool>& done) const;

  // What shows the state as it is, and changes nothing.
  void TakeUnchanged(State& state, std::vector<bool>& done) const;

  bool FitsUnchanged(const Act& act, State& state) const;

  static bool SameVerdict(const Act& act, const domain::Transition& transition);

  // When an act that changed nothing may have been looked at, for each answer that there may be.
  std::vector<absl::Time> MomentsOf(const Act& act, const domain::Task& task) const;

  // The act's own change, at the version's time.
  bool TakeChange(const Act& act, State& state) const;

  // Its answer shows the task as it was.
  bool TakeDelete(const Act& act, State& state) const;

  // One more effect that nobody was told of, and on from there.
  void Assume(const State& state, const std::vector<bool>& done, int assumed);

  static bool Forced(const Act& act);

  // How many starts lie between the state and what is to be explained, at the most; negative: there
  // is no way back.
  int StartsBetween(const State& state, const std::vector<bool>& done) const;

  // Nothing is known of attempts within an incarnation whose end is looked for.
  Attempt Known(int64_t fence) const;

  // Whether the attempt goes on, or has ended as an answer shows that it did, if one does.
  bool EndsAsRecorded(const State& state, int64_t fence) const;

  bool MayStart(const Act& act, const State& state, const std::vector<bool>& done,
                int starts) const;

  domain::Command EffectOf(const Act& act, const State& state) const;

  // Whether trackerd may give the task back, as the answer of the Claim that took it reached
  // nobody: nothing has happened to it since, a repeated Claim among it.
  bool GivenBack(const State& state) const;

  // When the effect came about, if an answer shows it.
  std::optional<absl::Time> TimeShown(const domain::Command& command, const State& state) const;

  // Of the Batch that the act without an answer is a part of: what it asked of the task before, and
  // what has not taken effect so far. A Batch asks all of it in one queue: so where the act took
  // effect these had been looked at, and did what they can do.
  std::vector<size_t> EarlierOfItsBatch(size_t place, const State& state) const;

  // One effect: the commands, one after the other at one moment, of which the last changes the
  // task.
  void AssumeCommands(const std::vector<domain::Command>& commands, absl::Time from, absl::Time to,
                      const State& state, const std::vector<bool>& done, int assumed);

  const std::vector<Act>& acts_;
  const domain::Policy& policy_;
  std::shared_ptr<const domain::Policy> policy_pointer_;
  const std::vector<size_t>& unanswered_;
  const Attempts& attempts_;
  std::vector<const Act*> goal_;
  absl::Time now_;
  bool to_none_ = false;
  std::vector<State> found_;
  int tries_ = 0;
};

}  // namespace tracker::chaos
