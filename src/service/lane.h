// A lane: one thread and a bounded queue before the store. The thread takes all that queued while
// its last commit ran, and commits it at once: natural batching, with no timer, and no wait when
// idle. Commands on one task always go through the same lane, and take effect in the order in which
// they were queued.
//
// A task whose row another transaction holds is parked with all that is asked of it: the lane goes
// on with the others, and tries it again a little later, until its patience is at an end.
//
// Thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "src/base/limits.h"
#include "src/base/monotonic.h"
#include "src/service/admission.h"
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
  // How long the calls on a task wait for a row that another transaction holds.
  absl::Duration held_patience = limits::kHeldPatience;
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
  // those that are not queued each is finished at once: kOverloaded when the queue is full or they
  // could not be done in time, kStoreUnavailable after Stop.
  void Enqueue(std::vector<Entry> entries);

  // Takes no more, finishes what is queued, ends the thread. Repeatable.
  void Stop();

 private:
  // What is asked of a task whose row is held, in its order.
  struct Parked {
    std::vector<Entry> entries;
    absl::Duration waited;
    absl::Duration pause;
    // When it is tried again.
    base::MonotonicTime due;
  };

  void Run();
  // Whether they can be queued, and done in time.
  bool HasRoom(const std::vector<Entry>& entries, size_t bytes) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes out of the queue what nobody waits for any more, to make room for others: while a commit
  // takes long, thousands of callers may hang up. Nothing when that was done a moment ago.
  std::vector<Entry> TakeUnwanted() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits for work; empty only when stopped and drained.
  std::vector<Entry> TakeBatch();
  // What is parked and due comes first. Calls on a task that stays parked join it.
  void TakeParked(std::vector<Entry>* batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeQueued(std::vector<Entry>* batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Until when there is nothing to do unless something is queued.
  base::MonotonicTime NextDue() const;
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !queue_.empty();
  }
  // Keeps those for later whose rows are held, and finishes the others.
  void Settle(std::vector<Entry> batch, std::vector<domain::Outcome> outcomes);
  void Park(std::vector<Entry> entries, bool deferred);
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
  // Of what is parked, which counts as queued.
  size_t parked_commands_ ABSL_GUARDED_BY(mutex_) = 0;
  Admission admission_ ABSL_GUARDED_BY(mutex_);
  base::MonotonicTime next_sweep_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  // Only the lane's thread touches these: what is parked, and how long the tasks of the batch that
  // is under way have waited already.
  absl::flat_hash_map<domain::TaskKey, Parked> parked_;
  absl::flat_hash_map<domain::TaskKey, Parked> tried_again_;

  // Rung when something is queued while there is something parked.
  base::Bell bell_;

  std::thread thread_;
};

}  // namespace tracker::service
