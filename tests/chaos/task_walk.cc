#include "tests/chaos/task_walk.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/domain/transition.h"
#include "tests/chaos/match.h"
#include "tests/e2e/api.h"

namespace tracker::chaos {
namespace {

using domain::Command;
using domain::Task;

// Effects that nobody was told of, assumed for one version: more come together only when every
// trackerd and every worker is away for longer than several leases.
constexpr int kMostAssumed = 6;
// Ways that are tried for one version before it is given up as undecided.
constexpr int kMostTries = 400'000;
// States that are kept for one version.
constexpr size_t kMostStates = 64;

// create_time and update_time.
using Version = std::pair<absl::Time, absl::Time>;

Version VersionOf(const v1::Task& task) {
  return {TimeOf(task.create_time()), TimeOf(task.update_time())};
}

bool Within(absl::Time now, const Act& act) {
  return act.begin - kClockSlack <= now && now <= act.end + kClockSlack;
}

bool Contains(const std::vector<size_t>& sorted, size_t value) {
  return std::binary_search(sorted.begin(), sorted.end(), value);
}

// All ways from one state to ones that fit the acts of a version.
class Search {
 public:
  Search(const std::vector<Act>& acts, const domain::Policy& policy,
         const std::vector<size_t>& unanswered)
      : acts_(acts), policy_(policy), unanswered_(unanswered) {
    policy_pointer_ = std::make_shared<const domain::Policy>(policy);
  }

  // The states after the version; empty: there is no way with exactly `assumed` assumptions.
  std::vector<State> Ways(const State& from, const std::vector<const Act*>& version, absl::Time now,
                          int assumed) {
    goal_ = version;
    now_ = now;
    to_none_ = false;
    found_.clear();
    Go(from, std::vector<bool>(version.size(), false), assumed);
    return std::move(found_);
  }

  // The same to the end of an incarnation, by `now` at the latest.
  std::vector<State> WaysToNone(const State& from, absl::Time now, int assumed) {
    goal_.clear();
    now_ = now;
    to_none_ = true;
    found_.clear();
    Go(from, {}, assumed);
    return std::move(found_);
  }

  bool undecided() const { return tries_ > kMostTries; }

 private:
  void Found(State state) {
    if (found_.size() < kMostStates &&
        std::find(found_.begin(), found_.end(), state) == found_.end()) {
      found_.push_back(std::move(state));
    }
  }

  void Go(State state, std::vector<bool> done, int assumed) {
    if (++tries_ > kMostTries) return;
    TakeUnchanged(state, done);
    if (std::all_of(done.begin(), done.end(), [](bool d) { return d; })) {
      if (to_none_ ? !state.task.has_value() : true) {
        if (assumed == 0) Found(std::move(state));
        return;
      }
    }
    for (size_t i = 0; i < done.size(); ++i) {
      if (done[i] || !Ready(i, done)) continue;
      State next = state;
      if (!TakeChange(*goal_[i], next)) continue;
      std::vector<bool> then = done;
      then[i] = true;
      Go(std::move(next), std::move(then), assumed);
    }
    if (assumed > 0) Assume(state, done, assumed);
  }

  // Operations of one Batch take effect in their order.
  bool Ready(size_t i, const std::vector<bool>& done) const {
    for (size_t j = 0; j < done.size(); ++j) {
      if (!done[j] && goal_[j]->exchange == goal_[i]->exchange && goal_[j]->index < goal_[i]->index)
        return false;
    }
    return true;
  }

  // What shows the state as it is, and changes nothing.
  void TakeUnchanged(State& state, std::vector<bool>& done) const {
    for (bool progress = true; progress;) {
      progress = false;
      for (size_t i = 0; i < done.size(); ++i) {
        if (done[i] || !Ready(i, done) || !FitsUnchanged(*goal_[i], state)) continue;
        done[i] = progress = true;
      }
    }
  }

  bool FitsUnchanged(const Act& act, State& state) const {
    if (!state.task || !act.shown) return false;
    if (act.asks == Asks::kLook) return Matches(*act.shown, act.whole, policy_, *state.task);
    if (act.asks == Asks::kClaim) return false;
    for (const absl::Time now : MomentsOf(act, *state.task)) {
      std::optional<Task> task = state.task;
      const domain::Transition transition = domain::Apply(task, act.command, now);
      if (transition.changed || !SameVerdict(act, transition)) continue;
      if (!act.shown->lock().empty() && act.shown->lock() != state.task->lock) continue;
      if (Matches(*act.shown, act.whole, policy_, *state.task)) return true;
    }
    return false;
  }

  static bool SameVerdict(const Act& act, const domain::Transition& transition) {
    const std::string verdict = act.told == Told::kDone ? "OK" : act.reason;
    return verdict == domain::ReasonName(transition.outcome.reason);
  }

  // When an act that changed nothing may have been looked at, for each answer that there may be.
  std::vector<absl::Time> MomentsOf(const Act& act, const Task& task) const {
    const v1::Task& shown = *act.shown;
    const absl::Duration left = e2e::ToDuration(shown.lease_remaining());
    if (shown.has_lease_remaining() && left > absl::ZeroDuration())
      return {TimeOf(shown.lock_expire_time()) - left};
    const absl::Time earliest = std::max(act.begin - kClockSlack, task.update_time);
    const absl::Time latest = act.end + kClockSlack;
    std::vector<absl::Time> moments = {earliest, latest};
    for (const absl::Time edge : {task.lock_expire_time, task.available_time}) {
      for (const absl::Time moment : {edge - absl::Microseconds(1), edge + absl::Microseconds(1)}) {
        if (earliest <= moment && moment <= latest) moments.push_back(moment);
      }
    }
    return moments;
  }

  // The act's own change, at the version's time.
  bool TakeChange(const Act& act, State& state) const {
    if (act.asks == Asks::kLook) return false;
    const auto* del = std::get_if<domain::Delete>(&act.command.action);
    if (del != nullptr && act.told == Told::kDone) return TakeDelete(act, state);
    if (!Within(now_, act) || (state.task && state.task->update_time > now_)) return false;
    Command command = act.command;
    std::optional<Task> before = state.task;
    const bool recall = act.asks == Asks::kClaim && before &&
                        before->status == domain::Status::kInProgress &&
                        before->lock == act.command.token;
    if (recall) {
      command.action =
          domain::Heartbeat{.lease = std::get<domain::Start>(act.command.action).lease};
    }
    const domain::Transition transition = domain::Apply(before, command, now_);
    if (!transition.changed || !SameVerdict(act, transition) || !before) return false;
    if (!act.shown || !Matches(*act.shown, act.whole, policy_, *before)) return false;
    state.task = std::move(before);
    return true;
  }

  // Its answer shows the task as it was.
  bool TakeDelete(const Act& act, State& state) const {
    if (!state.task || !Matches(*act.shown, act.whole, policy_, *state.task)) return false;
    for (const absl::Time now : MomentsOf(act, *state.task)) {
      std::optional<Task> task = state.task;
      if (!domain::Apply(task, act.command, now).changed) continue;
      state.task.reset();
      return true;
    }
    return false;
  }

  // One more effect that nobody was told of, and on from there.
  void Assume(const State& state, const std::vector<bool>& done, int assumed) {
    const int starts = StartsMissing(state, done);
    if (starts < 0) return;
    for (const size_t place : unanswered_) {
      const Act& act = acts_[place];
      if (act.begin > now_ + kClockSlack || act.begin + kLateEffect < now_) continue;
      if (Contains(state.used, place)) continue;
      if (act.IsStart() && !MayStart(act, state, done, starts)) continue;
      State used = state;
      used.used.insert(std::upper_bound(used.used.begin(), used.used.end(), place), place);
      AssumeCommand(EffectOf(act, state), act.begin - kClockSlack, used, done, assumed);
    }
    if (!state.task) return;
    AssumeCommand({.key = state.task->key, .action = domain::Expire{}, .policy = policy_pointer_},
                  absl::InfinitePast(), state, done, assumed);
    if (GivenBack(state)) {
      AssumeCommand({.key = state.task->key,
                     .token = state.task->lock,
                     .action = domain::Release{.undelivered = state.task->update_time},
                     .policy = policy_pointer_},
                    absl::InfinitePast(), state, done, assumed);
    }
    if (policy_.retention && to_none_ && domain::Finished(state.task->status) &&
        state.task->update_time + *policy_.retention <= now_) {
      State purged = state;
      purged.task.reset();
      Go(std::move(purged), done, assumed - 1);
    }
  }

  // How many starts nobody was told of lie between the state and what is to be explained; negative:
  // there is no way back.
  int StartsMissing(const State& state, const std::vector<bool>& done) const {
    if (to_none_) return kMostAssumed;
    int64_t fence = 0, own = 0;
    for (size_t i = 0; i < done.size(); ++i) {
      if (done[i]) continue;
      fence = std::max(fence, goal_[i]->shown->fence());
      own += goal_[i]->IsStart() && goal_[i]->told == Told::kDone &&
             TimeOf(goal_[i]->shown->lock_time()) == now_;
    }
    return static_cast<int>(fence - own - (state.task ? state.task->fence : 0));
  }

  bool MayStart(const Act& act, const State& state, const std::vector<bool>& done,
                int starts) const {
    if (to_none_) return true;
    if (starts == 0) {
      // Only a repeated Claim, which renews.
      return act.asks == Asks::kClaim && state.task && state.task->lock == act.command.token;
    }
    if (starts > 1) return true;
    // The last start: its worker is shown, unless an answer's own start is yet to come.
    const auto& start = std::get<domain::Start>(act.command.action);
    for (size_t i = 0; i < done.size(); ++i) {
      if (!done[i] && goal_[i]->shown && goal_[i]->shown->worker() == start.worker) return true;
      // It is over, or taken over, by then.
      if (!done[i] && goal_[i]->IsStart() && goal_[i]->told == Told::kDone) return true;
    }
    return false;
  }

  Command EffectOf(const Act& act, const State& state) const {
    Command command = act.command;
    if (act.asks == Asks::kClaim && state.task && state.task->lock == command.token) {
      command.action =
          domain::Heartbeat{.lease = std::get<domain::Start>(act.command.action).lease};
    }
    return command;
  }

  // Whether trackerd may give the task back, as the answer of the Claim that took it reached
  // nobody: nothing has happened to it since, a repeated Claim among it.
  bool GivenBack(const State& state) const {
    const Task& task = *state.task;
    if (task.status != domain::Status::kInProgress || task.update_time != task.lock_time)
      return false;
    return std::any_of(unanswered_.begin(), unanswered_.end(), [&](size_t place) {
      return acts_[place].asks == Asks::kClaim && acts_[place].command.token == task.lock;
    });
  }

  void AssumeCommand(const Command& command, absl::Time from, const State& state,
                     const std::vector<bool>& done, int assumed) {
    std::vector<absl::Time> moments = {now_};
    absl::Time bound = from;
    if (state.task) {
      bound = std::max(bound, state.task->update_time);
      for (const absl::Time edge :
           {state.task->lock_expire_time, state.task->available_time, state.task->alarm_time}) {
        moments.push_back(OpenFrom(std::max(bound, edge)));
      }
    }
    if (bound != absl::InfinitePast()) moments.push_back(OpenFrom(bound));
    std::sort(moments.begin(), moments.end());
    moments.erase(std::unique(moments.begin(), moments.end()), moments.end());
    for (const absl::Time moment : moments) {
      if (moment < from || moment > now_ || (state.task && moment < state.task->update_time))
        continue;
      State next = state;
      const domain::Transition transition = domain::Apply(next.task, command, moment);
      if (!transition.changed) continue;
      Go(std::move(next), done, assumed - 1);
    }
  }

  const std::vector<Act>& acts_;
  const domain::Policy& policy_;
  std::shared_ptr<const domain::Policy> policy_pointer_;
  const std::vector<size_t>& unanswered_;
  std::vector<const Act*> goal_;
  absl::Time now_;
  bool to_none_ = false;
  std::vector<State> found_;
  int tries_ = 0;
};

class Walk {
 public:
  Walk(const std::vector<Act>& acts, const domain::Policy& policy) : acts_(acts), policy_(policy) {
    for (size_t i = 0; i < acts.size(); ++i) {
      if (acts[i].shown) {
        versions_[VersionOf(*acts[i].shown)].push_back(&acts[i]);
      } else if (acts[i].told == Told::kNothing) {
        unanswered_.push_back(i);
      }
    }
  }

  // With so many assumptions more than the fewest for each version.
  WalkResult Run(int spare) {
    WalkResult result;
    std::vector<State> states = {State{}};
    std::vector<const Act*> last;
    std::optional<absl::Time> incarnation;
    for (const auto& [version, group] : versions_) {
      if (incarnation && *incarnation != version.first) {
        const std::vector<State> gone = Gone(states, version.first, spare, result);
        if (gone.empty()) {
          result.unexplained = Unexplained{group, states, last,
                                           "the task was made anew, and nothing had deleted it"};
          return result;
        }
        states = gone;
      }
      incarnation = version.first;
      std::vector<State> after = Explain(states, group, version.second, spare, result);
      if (after.empty()) {
        result.unexplained = Smallest(states, group, version.second);
        result.unexplained->last = last;
        return result;
      }
      states = std::move(after);
      last = group;
      ++result.versions;
    }
    return result;
  }

 private:
  std::vector<State> Explain(const std::vector<State>& states, const std::vector<const Act*>& group,
                             absl::Time now, int spare, WalkResult& result) {
    return Fewest([&](Search& search, const State& from,
                      int assumed) { return search.Ways(from, group, now, assumed); },
                  states, spare, result);
  }

  std::vector<State> Gone(const std::vector<State>& states, absl::Time now, int spare,
                          WalkResult& result) {
    return Fewest([&](Search& search, const State& from,
                      int assumed) { return search.WaysToNone(from, now, assumed); },
                  states, spare, result);
  }

  template <typename Ways>
  std::vector<State> Fewest(const Ways& ways, const std::vector<State>& states, int spare,
                            WalkResult& result) {
    std::vector<State> all;
    Search search(acts_, policy_, unanswered_);
    int last = kMostAssumed;
    for (int assumed = 0; assumed <= last; ++assumed) {
      for (const State& from : states) {
        for (State& state : ways(search, from, assumed)) {
          if (all.size() < kMostStates && std::find(all.begin(), all.end(), state) == all.end())
            all.push_back(std::move(state));
        }
      }
      if (!all.empty() && last == kMostAssumed) {
        result.assumed += assumed;
        last = std::min(kMostAssumed, assumed + spare);
      }
    }
    undecided_ = search.undecided();
    return all;
  }

  // Of the version's acts the fewest that have no way.
  Unexplained Smallest(const std::vector<State>& states, std::vector<const Act*> group,
                       absl::Time now) {
    WalkResult ignored;
    const bool undecided = undecided_;
    for (size_t i = group.size(); i-- > 0 && group.size() > 1;) {
      std::vector<const Act*> fewer = group;
      fewer.erase(fewer.begin() + static_cast<int64_t>(i));
      if (Explain(states, fewer, now, 0, ignored).empty()) group = std::move(fewer);
    }
    return {group,
            states,
            {},
            undecided ? "undecided: there are too many ways to try"
                      : "no order of what is known to have been asked leads to this answer"};
  }

  const std::vector<Act>& acts_;
  const domain::Policy& policy_;
  std::map<Version, std::vector<const Act*>> versions_;
  std::vector<size_t> unanswered_;
  bool undecided_ = false;
};

}  // namespace

WalkResult WalkTask(const std::vector<Act>& acts, const domain::Policy& policy) {
  Walk walk(acts, policy);
  WalkResult result;
  // The fewest assumptions may be the wrong ones: what they leave open is seen later only.
  for (int spare = 0; spare <= 2; ++spare) {
    result = walk.Run(spare);
    if (!result.unexplained) return result;
  }
  return result;
}

}  // namespace tracker::chaos
