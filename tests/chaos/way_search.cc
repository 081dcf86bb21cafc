#include "tests/chaos/way_search.h"

#include <algorithm>
#include <set>
#include <utility>

#include "tests/chaos/match.h"
#include "tests/e2e/api.h"

namespace tracker::chaos {
namespace {

using domain::Command;
using domain::Task;

// Ways that are tried for one version before it is given up as undecided.
constexpr int kMostTries = 150'000;
// Of those with one task, whatever acts they have used: else these would leave no room for others.
constexpr size_t kMostOfATask = 8;

bool Within(absl::Time now, const Act& act) {
  return act.begin - kClockSlack <= now && now <= act.end + kClockSlack;
}

bool Contains(const std::vector<size_t>& sorted, size_t value) {
  return std::binary_search(sorted.begin(), sorted.end(), value);
}

void Use(size_t place, State& state) {
  const auto at = std::lower_bound(state.used.begin(), state.used.end(), place);
  if (at == state.used.end() || *at != place) state.used.insert(at, place);
}

bool IsOperators(const domain::Action& action) {
  return std::holds_alternative<domain::Reset>(action) ||
         std::holds_alternative<domain::Ignore>(action) ||
         std::holds_alternative<domain::Delete>(action);
}

// Whether the command may change the task at all: a cheap look before Apply, for the many that
// cannot.
bool MayChange(const Command& command, const std::optional<Task>& task) {
  const domain::Action& action = command.action;
  if (!task) {
    const auto* start = std::get_if<domain::Start>(&action);
    return std::holds_alternative<domain::Create>(action) ||
           (start != nullptr && start->create_if_missing);
  }
  if (std::holds_alternative<domain::Create>(action)) return false;
  const bool by_holder = std::holds_alternative<domain::Heartbeat>(action) ||
                         std::holds_alternative<domain::Succeed>(action) ||
                         std::holds_alternative<domain::Fail>(action) ||
                         std::holds_alternative<domain::Release>(action);
  return !by_holder || (task->status == domain::Status::kInProgress && task->lock == command.token);
}

}  // namespace

void Add(State state, size_t most, std::vector<State>& states) {
  size_t of_this_task = 0;
  for (State& known : states) {
    if (known.task != state.task) continue;
    ++of_this_task;
    if (std::includes(state.used.begin(), state.used.end(), known.used.begin(), known.used.end()))
      return;
    if (std::includes(known.used.begin(), known.used.end(), state.used.begin(), state.used.end())) {
      known.used = std::move(state.used);
      return;
    }
  }
  if (states.size() < most && of_this_task < kMostOfATask) states.push_back(std::move(state));
}

void Note(const v1::Task& shown, Attempts& attempts) {
  if (shown.fence() > 0) attempts[shown.fence()].shown = &shown;
  for (const v1::TaskError& error : shown.errors()) attempts[error.fence()].error = &error;
}

WaySearch::WaySearch(const std::vector<Act>& acts, const domain::Policy& policy,
                     const std::vector<size_t>& unanswered, const Attempts& attempts)
    : acts_(acts), policy_(policy), unanswered_(unanswered), attempts_(attempts) {
  policy_pointer_ = std::make_shared<const domain::Policy>(policy);
}

std::vector<State> WaySearch::Ways(const State& from, const std::vector<const Act*>& version,
                                   absl::Time now, int assumed) {
  goal_ = version;
  now_ = now;
  to_none_ = false;
  found_.clear();
  Go(from, std::vector<bool>(version.size(), false), assumed);
  return std::move(found_);
}

std::vector<State> WaySearch::WaysToNone(const State& from, absl::Time now, int assumed) {
  goal_.clear();
  now_ = now;
  to_none_ = true;
  found_.clear();
  Go(from, {}, assumed);
  return std::move(found_);
}

void WaySearch::Go(State state, std::vector<bool> done, int assumed) {
  if (++tries_ > kMostTries) return;
  TakeUnchanged(state, done);
  if (std::all_of(done.begin(), done.end(), [](bool d) { return d; })) {
    if (to_none_ ? !state.task.has_value() : true) {
      if (assumed == 0) Add(std::move(state), kMostStates, found_);
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

bool WaySearch::Ready(size_t i, const std::vector<bool>& done) const {
  for (size_t j = 0; j < done.size(); ++j) {
    if (!done[j] && goal_[j]->exchange == goal_[i]->exchange && goal_[j]->index < goal_[i]->index)
      return false;
  }
  return true;
}

void WaySearch::TakeUnchanged(State& state, std::vector<bool>& done) const {
  for (bool progress = true; progress;) {
    progress = false;
    for (size_t i = 0; i < done.size(); ++i) {
      if (done[i] || !Ready(i, done) || !FitsUnchanged(*goal_[i], state)) continue;
      done[i] = progress = true;
    }
  }
}

bool WaySearch::FitsUnchanged(const Act& act, State& state) const {
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

bool WaySearch::SameVerdict(const Act& act, const domain::Transition& transition) {
  const std::string verdict = act.told == Told::kDone ? "OK" : act.reason;
  return verdict == domain::ReasonName(transition.outcome.reason);
}

std::vector<absl::Time> WaySearch::MomentsOf(const Act& act, const Task& task) const {
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

bool WaySearch::TakeChange(const Act& act, State& state) const {
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
    command.action = domain::Heartbeat{.lease = std::get<domain::Start>(act.command.action).lease};
  }
  const domain::Transition transition = domain::Apply(before, command, now_);
  if (!transition.changed || !SameVerdict(act, transition) || !before) return false;
  if (!act.shown || !Matches(*act.shown, act.whole, policy_, *before)) return false;
  state.task = std::move(before);
  state.last_by_operator = false;
  return true;
}

bool WaySearch::TakeDelete(const Act& act, State& state) const {
  if (!state.task || !Matches(*act.shown, act.whole, policy_, *state.task)) return false;
  for (const absl::Time now : MomentsOf(act, *state.task)) {
    std::optional<Task> task = state.task;
    if (!domain::Apply(task, act.command, now).changed) continue;
    state.task.reset();
    return true;
  }
  return false;
}

void WaySearch::Assume(const State& state, const std::vector<bool>& done, int assumed) {
  const int starts = StartsBetween(state, done);
  if (starts < 0) return;
  // One operator's command is as good as another of its kind: nobody knows its token. So the
  // earliest is taken.
  std::set<std::pair<size_t, bool>> kinds;
  auto first =
      std::lower_bound(unanswered_.begin(), unanswered_.end(), now_ - kLateEffect,
                       [this](size_t place, absl::Time time) { return acts_[place].begin < time; });
  for (; first != unanswered_.end(); ++first) {
    const size_t place = *first;
    const Act& act = acts_[place];
    if (act.begin > now_ + kClockSlack) break;
    if (state.task && act.end + kClockSlack < state.task->update_time) continue;
    const bool renews =
        act.asks == Asks::kClaim && state.task && state.task->lock == act.command.token;
    if (Contains(state.used, place) && !renews) continue;
    if (act.IsStart() && !MayStart(act, state, done, starts)) continue;
    // Whoever deleted it would have made another incarnation of it.
    if (!to_none_ && std::holds_alternative<domain::Delete>(act.command.action)) continue;
    const std::vector<size_t> before = EarlierOfItsBatch(place, state);
    if (act.asks == Asks::kWrite && before.empty() && !MayChange(act.command, state.task)) continue;
    if (IsOperators(act.command.action)) {
      // A Reset would hide all that the one right before it has done.
      const bool hides = std::holds_alternative<domain::Reset>(act.command.action);
      if (state.task && state.last_by_operator && hides) continue;
      if (before.empty() && !kinds.emplace(act.command.action.index(), Forced(act)).second)
        continue;
    }
    State used = state;
    Use(place, used);
    const absl::Time from = act.begin - kClockSlack;
    const absl::Time to = act.end + kClockSlack;
    // Without those before it: they had been looked at in the commit before, and were refused.
    if (before.empty() || assumed > 1) {
      AssumeCommands({EffectOf(act, state)}, from, to, used, done,
                     before.empty() ? assumed : assumed - 1);
    }
    if (before.empty()) continue;
    std::vector<Command> commands;
    for (const size_t earlier : before) {
      Use(earlier, used);
      commands.push_back(acts_[earlier].command);
    }
    commands.push_back(act.command);
    AssumeCommands(commands, from, to, used, done, assumed);
  }
  if (!state.task) return;
  AssumeCommands({{.key = state.task->key, .action = domain::Expire{}, .policy = policy_pointer_}},
                 absl::InfinitePast(), absl::InfiniteFuture(), state, done, assumed);
  if (GivenBack(state)) {
    AssumeCommands({{.key = state.task->key,
                     .token = state.task->lock,
                     .action = domain::Release{.undelivered = state.task->update_time},
                     .policy = policy_pointer_}},
                   absl::InfinitePast(), absl::InfiniteFuture(), state, done, assumed);
  }
  if (policy_.retention && to_none_ && domain::Finished(state.task->status) &&
      state.task->update_time + *policy_.retention <= now_) {
    State purged = state;
    purged.task.reset();
    Go(std::move(purged), done, assumed - 1);
  }
}

std::vector<size_t> WaySearch::EarlierOfItsBatch(size_t place, const State& state) const {
  std::vector<size_t> earlier;
  const Act& act = acts_[place];
  if (act.asks != Asks::kWrite || act.index == 0) return earlier;
  auto next =
      std::lower_bound(unanswered_.begin(), unanswered_.end(), act.begin,
                       [this](size_t other, absl::Time time) { return acts_[other].begin < time; });
  for (; next != unanswered_.end() && acts_[*next].begin == act.begin; ++next) {
    const size_t other = *next;
    const Act& before = acts_[other];
    if (before.exchange == act.exchange && before.index < act.index &&
        !Contains(state.used, other)) {
      earlier.push_back(other);
    }
  }
  std::sort(earlier.begin(), earlier.end(),
            [this](size_t a, size_t b) { return acts_[a].index < acts_[b].index; });
  return earlier;
}

bool WaySearch::Forced(const Act& act) {
  const auto* reset = std::get_if<domain::Reset>(&act.command.action);
  const auto* del = std::get_if<domain::Delete>(&act.command.action);
  return (reset != nullptr && reset->force) || (del != nullptr && del->force);
}

int WaySearch::StartsBetween(const State& state, const std::vector<bool>& done) const {
  if (to_none_) return kMostAssumed;
  int64_t fence = 0;
  for (size_t i = 0; i < done.size(); ++i) {
    if (!done[i]) fence = std::max(fence, goal_[i]->shown->fence());
  }
  return static_cast<int>(fence - (state.task ? state.task->fence : 0));
}

Attempt WaySearch::Known(int64_t fence) const {
  const auto known = attempts_.find(fence);
  return to_none_ || known == attempts_.end() ? Attempt{} : known->second;
}

bool WaySearch::EndsAsRecorded(const State& state, int64_t fence) const {
  if (!state.task) return true;
  const bool on = state.task->status == domain::Status::kInProgress && state.task->fence == fence;
  const v1::TaskError* error = on ? nullptr : Known(fence).error;
  if (error == nullptr) return true;
  for (const domain::TaskError& mine : state.task->errors) {
    if (mine.fence != fence) continue;
    // Until when a lease was the model may not know.
    const bool over = mine.kind == domain::ErrorKind::kLeaseExpired;
    return static_cast<int>(error->kind()) == static_cast<int>(mine.kind) + 1 &&
           (over || mine.message == error->message()) &&
           (IsOpen(mine.time) || mine.time == TimeOf(error->time()));
  }
  return false;
}

bool WaySearch::MayStart(const Act& act, const State& state, const std::vector<bool>& done,
                         int starts) const {
  if (starts > 0) {
    const std::string* worker = Known(state.task ? state.task->fence + 1 : 1).worker();
    if (worker != nullptr) return *worker == std::get<domain::Start>(act.command.action).worker;
  }
  if (starts > 1) return true;
  if (starts == 0) {
    // Only a repeated Claim, which renews.
    return act.asks == Asks::kClaim && state.task && state.task->lock == act.command.token;
  }
  // The last one: its worker is shown.
  const auto& start = std::get<domain::Start>(act.command.action);
  for (size_t i = 0; i < done.size(); ++i) {
    if (!done[i] && goal_[i]->shown->worker() == start.worker) return true;
  }
  return false;
}

Command WaySearch::EffectOf(const Act& act, const State& state) const {
  Command command = act.command;
  if (act.asks == Asks::kClaim && state.task && state.task->lock == command.token) {
    command.action = domain::Heartbeat{.lease = std::get<domain::Start>(act.command.action).lease};
  }
  return command;
}

bool WaySearch::GivenBack(const State& state) const {
  const Task& task = *state.task;
  if (task.status != domain::Status::kInProgress || task.update_time != task.lock_time)
    return false;
  return std::any_of(unanswered_.begin(), unanswered_.end(), [&](size_t place) {
    const Act& act = acts_[place];
    return act.asks == Asks::kClaim && act.command.token == task.lock &&
           act.end == absl::InfiniteFuture();
  });
}

std::optional<absl::Time> WaySearch::TimeShown(const Command& command, const State& state) const {
  if (std::holds_alternative<domain::Start>(command.action)) {
    const v1::Task* started = Known(state.task ? state.task->fence + 1 : 1).shown;
    if (started != nullptr) return TimeOf(started->lock_time());
  }
  // The end of an attempt that went wrong.
  if (!state.task || state.task->status != domain::Status::kInProgress ||
      std::holds_alternative<domain::Heartbeat>(command.action) ||
      std::holds_alternative<domain::Succeed>(command.action)) {
    return std::nullopt;
  }
  const v1::TaskError* error = Known(state.task->fence).error;
  return error == nullptr ? std::nullopt : std::optional(TimeOf(error->time()));
}

void WaySearch::AssumeCommands(const std::vector<Command>& commands, absl::Time from, absl::Time to,
                               const State& state, const std::vector<bool>& done, int assumed) {
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
  for (const Command& command : commands) {
    const std::optional<absl::Time> shown = TimeShown(command, state);
    if (!shown) continue;
    moments = {*shown};
    break;
  }
  std::sort(moments.begin(), moments.end());
  moments.erase(std::unique(moments.begin(), moments.end()), moments.end());
  for (const absl::Time moment : moments) {
    if (moment < from || moment > to || moment > now_ ||
        (state.task && moment < state.task->update_time))
      continue;
    State next = state;
    const bool held = next.task && next.task->status == domain::Status::kInProgress;
    bool changed = false;
    for (const Command& command : commands)
      changed = domain::Apply(next.task, command, moment).changed;
    // What the last one does is assumed; what those before it do comes with it.
    if (!changed || (held && !EndsAsRecorded(next, state.task->fence))) continue;
    next.last_by_operator = !held && commands.size() == 1 && IsOperators(commands[0].action);
    Go(std::move(next), done, assumed - 1);
  }
}

bool WaySearch::undecided() const { return tries_ > kMostTries; }

}  // namespace tracker::chaos
