#include "tests/chaos/task_walk.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <map>
#include <utility>

namespace tracker::chaos {
namespace {

// The fewest assumptions may be the wrong ones, and what they leave open is seen some versions
// later only: then some versions are gone back, and more is assumed for each. First the fewest, as
// each version more has more ways, of which not all are kept.
constexpr size_t kGoBack[] = {1, 2, 4, 7, 12};
constexpr int kMostSpare = 2;

// create_time and update_time.
using Version = std::pair<absl::Time, absl::Time>;

Version VersionOf(const v1::Task& task) {
  return {TimeOf(task.create_time()), TimeOf(task.update_time())};
}

class Walk {
 public:
  Walk(const std::vector<Act>& acts, const domain::Policy& policy) : acts_(acts), policy_(policy) {
    for (size_t i = 0; i < acts.size(); ++i) {
      if (acts[i].shown) {
        versions_[VersionOf(*acts[i].shown)].push_back(&acts[i]);
        Note(*acts[i].shown, attempts_[TimeOf(acts[i].shown->create_time())]);
      }
      if (acts[i].told == Told::kNothing || ClaimedBefore(acts[i])) unanswered_.push_back(i);
    }
  }

  WalkResult Run() {
    WalkResult result;
    // The states before each of the last versions.
    std::deque<std::pair<Versions::const_iterator, std::vector<State>>> trail;
    std::vector<State> states = {State{}};
    for (auto version = versions_.cbegin(); version != versions_.cend(); ++version) {
      trail.emplace_back(version, states);
      if (trail.size() > kGoBack[std::size(kGoBack) - 1] + 1) trail.pop_front();
      std::vector<State> after = Step(version, states, /*spare=*/0, result);
      for (const size_t back : kGoBack) {
        for (int spare = 1; after.empty() && spare <= kMostSpare; ++spare)
          after = GoBack(trail, back, spare, result);
      }
      if (after.empty()) {
        result.unexplained = Smallest(version, states);
        return result;
      }
      states = std::move(after);
      ++result.versions;
    }
    return result;
  }

 private:
  using Versions = std::map<Version, std::vector<const Act*>>;

  // trackerd does a Claim again when it does not know what became of its commit, and finds what it
  // has claimed already: then the answer shows the renewal, and the start has no answer of its own.
  static bool ClaimedBefore(const Act& act) {
    return act.asks == Asks::kClaim && act.told == Told::kDone &&
           TimeOf(act.shown->lock_time()) < TimeOf(act.shown->update_time());
  }

  // From the states before the version to those after it, with so many assumptions more than the
  // fewest.
  std::vector<State> Step(Versions::const_iterator version, const std::vector<State>& before,
                          int spare, WalkResult& result) {
    const auto& [create_time, update_time] = version->first;
    const bool anew =
        version != versions_.cbegin() && std::prev(version)->first.first != create_time;
    if (!anew) return Explain(before, version->second, update_time, spare, result);
    const std::vector<State> gone = Gone(before, create_time, spare, result);
    return Explain(gone, version->second, update_time, spare, result);
  }

  // From so many versions before the last one of the trail, or from its begin.
  std::vector<State> GoBack(
      const std::deque<std::pair<Versions::const_iterator, std::vector<State>>>& trail, size_t back,
      int spare, WalkResult& result) {
    auto step = trail.end() - static_cast<std::ptrdiff_t>(std::min(back + 1, trail.size()));
    std::vector<State> states = step->second;
    for (; step != trail.end(); ++step) states = Step(step->first, states, spare, result);
    return states;
  }

  std::vector<State> Explain(const std::vector<State>& states, const std::vector<const Act*>& group,
                             absl::Time now, int spare, WalkResult& result) {
    return Fewest(
        attempts_[TimeOf(group.front()->shown->create_time())],
        [&](WaySearch& search, const State& from, int assumed) {
          return search.Ways(from, group, now, assumed);
        },
        states, spare, result);
  }

  std::vector<State> Gone(const std::vector<State>& states, absl::Time now, int spare,
                          WalkResult& result) {
    return Fewest(
        Attempts(),
        [&](WaySearch& search, const State& from, int assumed) {
          return search.WaysToNone(from, now, assumed);
        },
        states, spare, result);
  }

  template <typename Ways>
  std::vector<State> Fewest(const Attempts& attempts, const Ways& ways,
                            const std::vector<State>& states, int spare, WalkResult& result) {
    std::vector<State> all;
    WaySearch search(acts_, policy_, unanswered_, attempts);
    int last = kMostAssumed;
    for (int assumed = 0; assumed <= last; ++assumed) {
      const size_t most = all.size() + kMostStates;
      for (const State& from : states) {
        for (State& state : ways(search, from, assumed)) {
          state.last_by_operator = false;
          Add(std::move(state), most, all);
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
  Unexplained Smallest(Versions::const_iterator version, const std::vector<State>& states) {
    Unexplained unexplained{.before = states,
                            .why =
                                "no order of what is known to have been asked "
                                "leads to this answer"};
    unexplained.undecided = undecided_;
    if (undecided_) unexplained.why = "undecided: there are too many ways to try";
    const bool first = version == versions_.cbegin();
    if (!first) unexplained.last = std::prev(version)->second;
    WalkResult ignored;
    std::vector<State> before = states;
    if (!first && std::prev(version)->first.first != version->first.first) {
      before = Gone(states, version->first.first, 0, ignored);
      if (before.empty()) unexplained.why = "the task was made anew, and nothing had deleted it";
    }
    std::vector<const Act*> group = version->second;
    for (size_t i = group.size(); i-- > 0 && group.size() > 1;) {
      std::vector<const Act*> fewer = group;
      fewer.erase(fewer.begin() + static_cast<int64_t>(i));
      if (Explain(before, fewer, version->first.second, 0, ignored).empty())
        group = std::move(fewer);
    }
    unexplained.acts = std::move(group);
    return unexplained;
  }

  const std::vector<Act>& acts_;
  const domain::Policy& policy_;
  Versions versions_;
  std::map<absl::Time, Attempts> attempts_;
  std::vector<size_t> unanswered_;
  bool undecided_ = false;
};

}  // namespace

WalkResult WalkTask(const std::vector<Act>& acts, const domain::Policy& policy) {
  return Walk(acts, policy).Run();
}

}  // namespace tracker::chaos
