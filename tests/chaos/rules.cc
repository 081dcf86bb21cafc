#include "tests/chaos/rules.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/limits.h"
#include "tests/chaos/task_walk.h"

namespace tracker::chaos {
namespace {

absl::Time CreateTime(const Act& act) { return TimeOf(act.shown->create_time()); }
absl::Time UpdateTime(const Act& act) { return TimeOf(act.shown->update_time()); }
absl::Time LockTime(const Act& act) { return TimeOf(act.shown->lock_time()); }

bool Granted(const Act& act) {
  return act.told == Told::kDone && act.IsStart() && !act.shown->lock().empty();
}

class Checker {
 public:
  Checker(const std::vector<Act>& acts, const domain::Policy& policy)
      : acts_(acts), policy_(policy) {
    for (const Act& act : acts) {
      if (Granted(act)) grants_[CreateTime(act)].push_back(&act);
      if (act.shown) shown_.push_back(&act);
    }
  }

  std::vector<Violation> Run() {
    for (const auto& [incarnation, grants] : grants_) {
      CheckFences(grants);
      CheckLiveLocks(grants);
    }
    CheckTimes();
    CheckVanished();
    CheckMissing();
    return std::move(violations_);
  }

 private:
  void Report(Rule rule, std::string text, std::vector<const Act*> history) {
    for (const Violation& known : violations_) {
      if (known.rule == rule) return;
    }
    std::sort(history.begin(), history.end(),
              [](const Act* a, const Act* b) { return a->begin < b->begin; });
    violations_.push_back({rule, history[0]->key, std::move(text), std::move(history)});
  }

  void CheckFences(const std::vector<const Act*>& grants) {
    std::map<int64_t, const Act*> by_fence;
    std::map<std::string, const Act*> by_lock;
    for (const Act* act : grants) {
      const auto [fence, new_fence] = by_fence.emplace(act->shown->fence(), act);
      if (!new_fence && fence->second->shown->lock() != act->shown->lock())
        Report(Rule::kFenceOfTwoLocks, "two locks have one fence", {fence->second, act});
      const auto [lock, new_lock] = by_lock.emplace(act->shown->lock(), act);
      if (!new_lock && lock->second->shown->fence() != act->shown->fence() &&
          StillKnown(*lock->second, *act)) {
        Report(Rule::kLockOfTwoFences, "one lock has begun two attempts", {lock->second, act});
      }
    }
    const Act* before = nullptr;
    for (const Act* act : InOrderOfStart(grants)) {
      if (before != nullptr && before->shown->lock() != act->shown->lock() &&
          act->shown->fence() <= before->shown->fence()) {
        Report(Rule::kFenceFell, "a later start has no greater fence", {before, act});
      }
      before = act;
    }
  }

  // A task forgets a lock when so many others have come after it, a Reset's and an Ignore's among
  // them (docs/adr/0002).
  bool StillKnown(const Act& first, const Act& second) const {
    size_t later = static_cast<size_t>(second.shown->fence() - first.shown->fence());
    for (const Act& act : acts_) {
      const bool token = std::holds_alternative<domain::Reset>(act.command.action) ||
                         std::holds_alternative<domain::Ignore>(act.command.action);
      later += act.asks == Asks::kWrite && token && act.told != Told::kRefused &&
               act.end > first.begin && act.begin < second.end;
    }
    return later <= limits::kSpentLocks;
  }

  // In the order in which they took effect. Several may have one time, that of one commit: of these
  // no order is known but that of their fences.
  static std::vector<const Act*> InOrderOfStart(std::vector<const Act*> grants) {
    std::stable_sort(grants.begin(), grants.end(), [](const Act* a, const Act* b) {
      return std::pair(LockTime(*a), a->shown->fence()) <
             std::pair(LockTime(*b), b->shown->fence());
    });
    return grants;
  }

  // Until when the lease of `lock` runs, as far as anybody was told before `time`.
  std::pair<absl::Time, const Act*> LeaseEnd(const std::string& lock, const Act* grant,
                                             absl::Time time) const {
    std::pair<absl::Time, const Act*> end = {TimeOf(grant->shown->lock_expire_time()), grant};
    for (const Act* act : shown_) {
      if (act->command.token != lock || act->told != Told::kDone || UpdateTime(*act) >= time ||
          CreateTime(*act) != CreateTime(*grant) || !act->shown->has_lock_expire_time()) {
        continue;
      }
      const absl::Time seen = TimeOf(act->shown->lock_expire_time());
      // A heartbeat may also shorten it.
      if (UpdateTime(*act) > UpdateTime(*end.second)) end = {seen, act};
    }
    return end;
  }

  // Whether something that was asked may have ended the attempt of `lock` before `time`, or have
  // made its lease shorter.
  bool MayHaveEnded(const std::string& lock, absl::Time time) const {
    return std::any_of(acts_.begin(), acts_.end(), [&](const Act& act) {
      if (act.asks == Asks::kLook || act.begin > time || act.told == Told::kRefused) return false;
      if (act.command.token == lock) return act.told == Told::kNothing || !act.IsStart();
      const auto* start = std::get_if<domain::Start>(&act.command.action);
      if (start != nullptr) return start->ignore_lock && act.end + kLateEffect > time;
      const auto* reset = std::get_if<domain::Reset>(&act.command.action);
      const auto* del = std::get_if<domain::Delete>(&act.command.action);
      const bool forced = (reset != nullptr && reset->force) || (del != nullptr && del->force) ||
                          std::holds_alternative<domain::Ignore>(act.command.action);
      return forced && act.begin + kLateEffect > time;
    });
  }

  void CheckLiveLocks(const std::vector<const Act*>& grants) {
    const Act* holder = nullptr;
    for (const Act* act : InOrderOfStart(grants)) {
      const absl::Time lock_time = LockTime(*act);
      if (holder != nullptr && holder->shown->lock() != act->shown->lock()) {
        const auto [end, last] = LeaseEnd(holder->shown->lock(), holder, lock_time);
        const auto* start = std::get_if<domain::Start>(&act->command.action);
        if (lock_time < end && !start->ignore_lock &&
            !MayHaveEnded(holder->shown->lock(), lock_time)) {
          std::vector<const Act*> history = {holder, act};
          if (last != holder) history.push_back(last);
          Report(Rule::kTwoLiveLocks,
                 absl::StrCat("a task was given away ", absl::FormatDuration(end - lock_time),
                              " before the end of a lease that nothing had ended"),
                 std::move(history));
        }
      }
      holder = act;
    }
  }

  void CheckTimes() {
    std::map<std::string, absl::Time> first_asked;
    for (const Act& act : acts_) {
      if (!act.IsStart() || act.asks == Asks::kLook) continue;
      const auto [asked, first] = first_asked.emplace(act.command.token, act.begin);
      if (!Granted(act)) continue;
      const absl::Time began = TimeOf(act.shown->lock_time());
      if (began < asked->second - kClockSlack || began > act.end + kClockSlack) {
        Report(Rule::kOutOfTime,
               absl::StrCat("a start took effect ", absl::FormatDuration(began - asked->second),
                            " after it was asked for, and ", absl::FormatDuration(act.end - began),
                            " before it was answered"),
               {&act});
      }
    }
  }

  // By versions: whoever asks after an answer came must see at least its version.
  void CheckVanished() {
    std::vector<const Act*> by_version = shown_;
    std::stable_sort(by_version.begin(), by_version.end(), [](const Act* a, const Act* b) {
      return std::pair(CreateTime(*a), UpdateTime(*a)) < std::pair(CreateTime(*b), UpdateTime(*b));
    });
    // The earliest answer among the later versions.
    const Act* earliest = nullptr;
    for (size_t end = by_version.size(); end > 0;) {
      size_t begin = end;
      while (begin > 0 && CreateTime(*by_version[begin - 1]) == CreateTime(*by_version[end - 1]) &&
             UpdateTime(*by_version[begin - 1]) == UpdateTime(*by_version[end - 1])) {
        --begin;
      }
      for (size_t i = begin; i < end; ++i) {
        if (earliest != nullptr && by_version[i]->begin > earliest->end) {
          Report(Rule::kVanished,
                 "an answer shows an older version than one that had been given before it was "
                 "asked for",
                 {earliest, by_version[i]});
        }
      }
      for (size_t i = begin; i < end; ++i) {
        if (earliest == nullptr || by_version[i]->end < earliest->end) earliest = by_version[i];
      }
      end = begin;
    }
  }

  // "There is no such task" needs a moment within the call at which there was none: before the
  // first incarnation, or between the possible end of one and the next.
  void CheckMissing() {
    struct Incarnation {
      absl::Time first_known = absl::InfiniteFuture();  // the earliest answer that shows it
      absl::Time may_end = absl::InfiniteFuture();
      const Act* witness = nullptr;
    };
    std::map<absl::Time, Incarnation> incarnations;
    for (const Act* act : shown_) {
      Incarnation& incarnation = incarnations[CreateTime(*act)];
      if (act->end < incarnation.first_known) incarnation.first_known = act->end;
      if (incarnation.witness == nullptr || UpdateTime(*act) > UpdateTime(*incarnation.witness))
        incarnation.witness = act;
    }
    for (auto& [created, incarnation] : incarnations)
      incarnation.may_end = EarliestEnd(created, UpdateTime(*incarnation.witness));
    for (const Act& act : acts_) {
      if (act.told != Told::kRefused || act.reason != "TASK_NOT_FOUND") continue;
      absl::Time gap_begin = absl::InfinitePast();
      const Act* witness = nullptr;
      bool possible = false;
      for (const auto& [created, incarnation] : incarnations) {
        possible = possible ||
                   (act.end + kClockSlack >= gap_begin && act.begin <= incarnation.first_known);
        if (incarnation.first_known < act.begin) witness = incarnation.witness;
        gap_begin = std::max(incarnation.may_end, created);
      }
      possible = possible || act.end + kClockSlack >= gap_begin;
      if (!possible && witness != nullptr)
        Report(Rule::kMissing, "the task is gone, and nothing had deleted it", {witness, &act});
    }
  }

  // When a task that was created at `created` and last seen at `last` may have been deleted at the
  // earliest.
  absl::Time EarliestEnd(absl::Time created, absl::Time last) const {
    absl::Time earliest = absl::InfiniteFuture();
    if (policy_.retention) earliest = last + *policy_.retention;
    for (const Act& act : acts_) {
      if (act.asks != Asks::kWrite || !std::holds_alternative<domain::Delete>(act.command.action))
        continue;
      const bool done = act.told == Told::kDone && CreateTime(act) == created;
      const bool perhaps = act.told == Told::kNothing && act.begin + kLateEffect > last;
      if (done || perhaps) earliest = std::min(earliest, std::max(act.begin, last));
    }
    return earliest;
  }

  const std::vector<Act>& acts_;
  const domain::Policy& policy_;
  // Starts and Claims that were answered with a lock, by the task's create_time.
  std::map<absl::Time, std::vector<const Act*>> grants_;
  std::vector<const Act*> shown_;
  std::vector<Violation> violations_;
};

}  // namespace

std::string RuleName(Rule rule) {
  switch (rule) {
    case Rule::kTwoLiveLocks: return "two live locks";
    case Rule::kFenceOfTwoLocks: return "one fence, two locks";
    case Rule::kLockOfTwoFences: return "one lock, two fences";
    case Rule::kFenceFell: return "the fence did not grow";
    case Rule::kVanished: return "an acknowledged change vanished";
    case Rule::kMissing: return "an acknowledged task vanished";
    case Rule::kOutOfTime: return "out of time";
    case Rule::kUnexplained: return "no order explains it";
    case Rule::kLeftOver: return "left over";
  }
  return "";
}

std::vector<Violation> CheckRules(const std::vector<Act>& acts, const domain::Policy& policy) {
  return Checker(acts, policy).Run();
}

}  // namespace tracker::chaos
