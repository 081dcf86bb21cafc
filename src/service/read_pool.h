// A few threads and a bounded queue for reads, which block on the database. Thread-safe.
#pragma once

#include <deque>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "src/domain/command.h"
#include "src/service/tracker.h"

namespace tracker::service {

class ReadPool {
 public:
  // Called once: with kOk on a thread of the pool, to do the work; else with why it is turned away.
  using Job = absl::AnyInvocable<void(domain::Reason)>;

  explicit ReadPool(int threads);
  // Stops as Stop does.
  ~ReadPool();
  ReadPool(const ReadPool&) = delete;
  ReadPool& operator=(const ReadPool&) = delete;

  // kOverloaded when the queue is full, kStoreUnavailable after Stop, both at once;
  // kDeadlineExceeded or kCancelled when nobody waits any more as the job's turn comes.
  void Submit(CallContext context, Job job);

  // Takes no more, finishes what is queued, ends the threads. Repeatable.
  void Stop();

 private:
  struct Waiting {
    CallContext context;
    Job job;
  };
  void Run();

  absl::Mutex mutex_;
  std::deque<Waiting> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace tracker::service
