#include "tests/chaos/plan.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace tracker::chaos {
namespace {

// Quiet before the first episode, after the last one, and between two: several leases.
constexpr absl::Duration kQuiet = absl::Milliseconds(2500);
constexpr double kMixed = 0.35;

// Each fault once in each round, in an order of its own.
class Deck {
 public:
  Deck(const std::vector<const Fault*>& faults, std::mt19937_64& random)
      : faults_(faults), random_(random) {}

  // The next one whose part is not taken yet; null: none is left in this round.
  const Fault* Draw(const std::set<Part>& taken) {
    if (left_.empty()) {
      left_ = faults_;
      std::shuffle(left_.begin(), left_.end(), random_);
    }
    const auto found = std::find_if(left_.begin(), left_.end(), [&](const Fault* fault) {
      return !taken.contains(fault->part);
    });
    if (found == left_.end()) return nullptr;
    const Fault* fault = *found;
    left_.erase(found);
    return fault;
  }

 private:
  const std::vector<const Fault*>& faults_;
  std::mt19937_64& random_;
  std::vector<const Fault*> left_;
};

}  // namespace

std::vector<Event> MakePlan(const std::vector<const Fault*>& faults, absl::Duration length,
                            uint64_t seed) {
  std::vector<Event> plan;
  if (faults.empty()) return plan;
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> share(0, 1);
  Deck deck(faults, random);
  absl::Duration at = kQuiet;
  for (int episode = 1;; ++episode) {
    const int count = share(random) < kMixed ? 2 + static_cast<int>(random() % 2) : 1;
    std::set<Part> taken;
    absl::Duration end = at;
    std::vector<Event> events;
    for (int i = 0; i < count; ++i) {
      const Fault* fault = deck.Draw(taken);
      if (fault == nullptr) break;
      taken.insert(fault->part);
      const absl::Duration lasts =
          fault->shortest + (fault->longest - fault->shortest) * share(random);
      events.push_back({fault, at, lasts, random(), episode});
      end = std::max(end, at + lasts);
    }
    if (end + kQuiet > length) return plan;
    plan.insert(plan.end(), events.begin(), events.end());
    at = end + kQuiet;
  }
}

std::string Show(const Event& event) {
  return absl::StrFormat("%6.1f s  %5.1f s  %s", absl::ToDoubleSeconds(event.at),
                         absl::ToDoubleSeconds(event.length), event.fault->name);
}

}  // namespace tracker::chaos
