#include "src/service/admission.h"

#include <algorithm>
#include <cmath>

namespace tracker::service {
namespace {

// A commit of fewer says nothing about how long each command takes in a full one.
constexpr size_t kTellingCommands = 32;
// What each further commit leaves of the weight of those before: some twenty of them count.
constexpr double kDecay = 0.95;
// So long after the last commit that told something, nothing is known any more: what was learnt in
// a moment of trouble would else turn callers away for as long as there are only small commits.
constexpr absl::Duration kForget = absl::Seconds(10);
// Commits whose sizes vary by less (the square of a twentieth) do not tell the fixed part from the
// rest.
constexpr double kTellingSpread = 1.0 / 400;
// Of the time that a caller has left: the rest is for the way back, and for what waits before the
// lane, which the server does not see.
constexpr double kShareOfPatience = 1.0 / 3;
// Of limits::kLaneWait, for what begins work.
constexpr double kShareForNewWork = 0.5;
// For each call that is served, this share of a call comes back.
constexpr double kReturnsForServed = 0.25;

}  // namespace

void Admission::Began(size_t commands, absl::Time now) {
  running_ = commands;
  began_ = now;
}

void Admission::Ended(absl::Time now) {
  if (running_ >= kTellingCommands) {
    // One that took longer has stood still, most likely as the database did, and is to count for no
    // more than slowness that matters. If commits have become so slow, the next ones tell.
    const absl::Duration took = std::min(now - began_, limits::kLaneWait);
    Learn(static_cast<double>(running_), absl::ToDoubleSeconds(took));
    learnt_ = now;
  } else if (now - learnt_ > kForget) {
    sums_ = {};
    fixed_ = each_ = 0;
  }
  running_ = 0;
}

// Least squares.
void Admission::Learn(double commands, double seconds) {
  sums_.weight = kDecay * sums_.weight + 1;
  sums_.commands = kDecay * sums_.commands + commands;
  sums_.seconds = kDecay * sums_.seconds + seconds;
  sums_.squares = kDecay * sums_.squares + commands * commands;
  sums_.products = kDecay * sums_.products + commands * seconds;
  const double mean_commands = sums_.commands / sums_.weight;
  const double mean_seconds = sums_.seconds / sums_.weight;
  const double variance = sums_.squares / sums_.weight - mean_commands * mean_commands;
  fixed_ = 0;
  each_ = mean_seconds / mean_commands;
  if (variance < kTellingSpread * mean_commands * mean_commands) return;
  const double slope = (sums_.products / sums_.weight - mean_commands * mean_seconds) / variance;
  // Outside of these bounds it is noise: no commit gets shorter by what it carries, and none has a
  // part that takes less than no time.
  const double bounded = std::clamp(slope, 0.0, each_);
  fixed_ = mean_seconds - bounded * mean_commands;
  each_ = bounded;
}

absl::Duration Admission::TimeFor(size_t commands) const {
  const double commits =
      std::ceil(static_cast<double>(commands) / static_cast<double>(batch_commands_));
  return absl::Seconds(commits * fixed_ + static_cast<double>(commands) * each_);
}

bool Admission::Admits(size_t queued, const Arrival& arrival, absl::Time now) const {
  // An idle lane tries whatever comes; and who is too late is told so when its turn comes.
  if ((queued == 0 && running_ == 0) || arrival.deadline <= now) return true;
  const absl::Duration rest =
      running_ == 0 ? absl::ZeroDuration()
                    : std::max(TimeFor(running_) - (now - began_), absl::ZeroDuration());
  const absl::Duration ahead = rest + TimeFor(queued);
  const absl::Duration bound =
      arrival.begins_work ? kShareForNewWork * limits::kLaneWait : limits::kLaneWait;
  if (ahead > bound) return false;
  return rest + TimeFor(queued + arrival.commands) <= kShareOfPatience * (arrival.deadline - now);
}

absl::Duration Admission::RetryAfter(size_t commands, absl::Time now) {
  const absl::Duration step = TimeFor(commands) / kReturnsForServed;
  next_return_ = std::clamp(next_return_ + step, now + limits::kMinOverloadedRetry,
                            now + limits::kMaxOverloadedRetry);
  return next_return_ - now;
}

}  // namespace tracker::service
