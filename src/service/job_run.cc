#include "src/service/job_run.h"

#include <algorithm>
#include <utility>

namespace tracker::service {
namespace {

// Often enough for somebody who watches, and seldom enough to cost nothing.
constexpr absl::Duration kTellInterval = absl::Milliseconds(250);
constexpr absl::Duration kFirstRetry = absl::Milliseconds(100);
constexpr absl::Duration kLongestRetry = absl::Seconds(2);
constexpr absl::Duration kRetryFor = absl::Seconds(30);

}  // namespace

JobRun::JobRun(JobControl* control, Tracker::ProgressCallback tell, std::function<absl::Time()> now)
    : control_(*control), tell_(std::move(tell)), now_(std::move(now)) {}

absl::Status JobRun::Wait(absl::Duration duration) {
  while (true) {
    if (const absl::Time now = now_(); now - told_ >= kTellInterval) {
      told_ = now;
      if (tell_) tell_(progress);
    }
    const absl::Duration part = std::min(duration, kTellInterval);
    if (absl::Status status = control_.Wait(part); !status.ok()) return status;
    duration -= part;
    if (duration <= absl::ZeroDuration()) return absl::OkStatus();
  }
}

absl::Status JobRun::Persist(absl::FunctionRef<absl::Status()> step) {
  absl::Duration pause = kFirstRetry;
  absl::Duration waited = absl::ZeroDuration();
  while (true) {
    absl::Status status = step();
    if (!absl::IsUnavailable(status) || waited >= kRetryFor) return status;
    if (absl::Status ended = Wait(pause); !ended.ok()) return ended;
    waited += pause;
    pause = std::min(2 * pause, kLongestRetry);
  }
}

}  // namespace tracker::service
