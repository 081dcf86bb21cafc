// A job while it runs: how far it is, whether it may go on, and what it does when the store is
// away. Not thread-safe; the job's thread has it.
#pragma once

#include <functional>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "src/base/monotonic.h"
#include "src/service/job_pool.h"
#include "src/service/tracker.h"

namespace tracker::service {

class JobRun {
 public:
  JobRun(JobControl* control, Tracker::ProgressCallback tell,
         std::function<absl::Time()> now = base::MonotonicNow);

  JobProgress progress;

  // Ends a step: tells the progress, if that was not done just now. As JobControl::Check.
  absl::Status EndStep() { return Wait(absl::ZeroDuration()); }
  // Waits, and tells the progress meanwhile. As JobControl::Wait.
  absl::Status Wait(absl::Duration duration);

  // Calls `step` until it does not answer Unavailable, for up to half a minute: a store that
  // restarts need not end a job. Its last answer, or why the job must end.
  absl::Status Persist(absl::FunctionRef<absl::Status()> step);

 private:
  JobControl& control_;
  const Tracker::ProgressCallback tell_;
  const std::function<absl::Time()> now_;
  absl::Time told_ = absl::InfinitePast();
};

}  // namespace tracker::service
