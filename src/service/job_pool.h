// A few threads for jobs, which may run for hours; each has one, and there is no queue.
// Thread-safe.
#pragma once

#include <deque>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "src/base/limits.h"
#include "src/service/tracker.h"

namespace tracker::service {

// What a running job asks between its steps. Thread-safe.
class JobControl {
 public:
  virtual ~JobControl() = default;
  // Whether to go on. Cancelled or DeadlineExceeded: the caller is gone; Unavailable: the server
  // stops.
  virtual absl::Status Check() = 0;
  // Waits, but at most a tenth of a second longer than Check says to go on. As Check.
  virtual absl::Status Wait(absl::Duration duration) = 0;
};

class JobPool {
 public:
  // Not called when it is turned away.
  using Job = absl::AnyInvocable<void(JobControl&)>;

  explicit JobPool(int threads = limits::kJobs);
  // Stops as Stop does.
  ~JobPool();
  JobPool(const JobPool&) = delete;
  JobPool& operator=(const JobPool&) = delete;

  // ResourceExhausted when each thread has a job, Unavailable after Stop.
  absl::Status Submit(CallContext context, Job& job);

  // Takes no more, has the running jobs end, and waits for that. Repeatable.
  void Stop();

 private:
  struct Submitted {
    CallContext context;
    Job job;
  };
  class Control;

  void Run();
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !submitted_.empty();
  }

  absl::Mutex mutex_;
  // Not yet taken by the threads that are free for them.
  std::deque<Submitted> submitted_ ABSL_GUARDED_BY(mutex_);
  // Threads without a job.
  int free_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace tracker::service
