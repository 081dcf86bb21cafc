// A lane: one thread and a bounded queue before the store. The thread takes all that queued while
// its last commit ran, and commits it at once: natural batching, with no timer, and no wait when
// idle. Commands on one task always go through the same lane, and take effect in the order in which
// they were queued.
//
// Thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "src/base/limits.h"
#include "src/base/monotonic.h"
#include "src/service/claimable.h"
#include "src/service/policy_cache.h"
#include "src/service/write_call.h"
#include "src/store/store.h"

namespace tracker::service {

struct LaneOptions {
  size_t queue_commands = limits::kLaneQueueCommands;
  size_t queue_bytes = limits::kLaneQueueBytes;
  size_t batch_commands = limits::kLaneBatchCommands;
  size_t batch_bytes = limits::kLaneBatchBytes;
  // The monotonic clock, against which callers' deadlines are held.
  std::function<absl::Time()> now = base::MonotonicNow;
  // Called on the lane's thread when the store could not be reached.
  std::function<void()> on_unavailable;
  // Where each command gets its namespace's policy from as its turn comes, so that a change counts
  // at once. Null: the commands keep what they have.
  PolicyCache* policies = nullptr;
  // Called on the lane's thread for each namespace of which a commit left a task claimable.
  OnClaimable on_claimable;
};

// Why a caller's work is not worth doing any more; kOk: it is.
domain::Reason WhyDropped(const CallContext& context, absl::Time now);

// What a caller is told whose work is not done for this reason: kOverloaded, kDeadlineExceeded,
// kCancelled, or else that the server is stopping.
domain::Outcome Refusal(domain::Reason reason);

class Lane {
 public:
  struct Entry {
    domain::Command command;
    std::shared_ptr<WriteCall> call;
    // Of the command within its call.
    size_t index = 0;
  };

  Lane(store::Store* store, LaneOptions options);
  // Stops as Stop does.
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // Queues all entries or none, so that what one call asks of one task is never done in part. Of
  // those that are not queued each is finished at once: kOverloaded when the queue is full,
  // kStoreUnavailable after Stop.
  void Enqueue(std::vector<Entry> entries);

  // Takes no more, finishes what is queued, ends the thread. Repeatable.
  void Stop();

 private:
  void Run();
  // Waits for work; empty only when stopped and drained.
  std::vector<Entry> TakeBatch();
  void ApplyBatch(std::vector<Entry> batch);
  // Without those that nobody waits for any more, which are finished.
  std::vector<Entry> Wanted(std::vector<Entry> batch) const;
  // False: the policies are not known.
  bool StampPolicies(std::vector<Entry>& batch) const;
  std::vector<domain::Outcome> Apply(const std::vector<Entry>& batch);

  store::Store* const store_;
  const LaneOptions options_;

  absl::Mutex mutex_;
  std::deque<Entry> queue_ ABSL_GUARDED_BY(mutex_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

}  // namespace tracker::service
