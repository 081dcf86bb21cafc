// Keeps the held locks of one client alive, and tells their holders when one is lost or may be.
//
// One thread, started with the first lock. What is due together is renewed in one Batch. The thread
// never waits for an answer: while the server hangs, it goes on watching the leases.
//
// Thread-safe. Its thread and the requests on their way keep the object alive. Invariants
//  - A lock counts as valid until: the moment before the request was sent, plus the rest of the
//    lease that the answer told. So it never counts longer than on the server, whatever the network
//    does.
//  - A lock's stop source is tripped a margin before that, once, and never with mutex_ held.
//  - No lock is renewed beyond its time limit.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/src/clock.h"
#include "client/src/transport.h"

namespace tracker::internal {

// A lock that a guard holds. Only the keeper touches its members below 'guarded'.
struct HeldLock {
  // Constant after construction.
  std::string name_space;
  std::string id;
  std::string lock;
  // Not to be renewed from then on.
  MonotonicTime work_until;
  std::stop_source lost;

  // Guarded by LockKeeper::mutex_.
  MonotonicTime sent;  // of the request whose answer counts
  MonotonicTime valid_until;
  MonotonicTime next_heartbeat;
  bool in_flight = false;  // a heartbeat is on its way
  size_t place = 0;        // in LockKeeper::held_, while it is there
  absl::Status why;        // not OK: it is lost, or to be counted as lost
};

// Fills in which attempt a request is about.
template <typename Request>
void Name(const HeldLock& held, Request* request) {
  request->set_namespace_(held.name_space);
  request->set_id(held.id);
  request->set_lock(held.lock);
}

// Whether the lock can never be renewed after this refusal.
bool IsLockLost(const absl::Status& status);

class LockKeeper : public std::enable_shared_from_this<LockKeeper> {
 public:
  // Without `own_thread` nothing happens but in RunOnce: for tests.
  LockKeeper(std::shared_ptr<Transport> transport, Clock* clock, bool own_thread);
  // Ends the thread, and cancels what is on its way. May be called on that thread, which then ends
  // by itself. Repeatable.
  void Stop();
  LockKeeper(const LockKeeper&) = delete;
  LockKeeper& operator=(const LockKeeper&) = delete;

  // Begins to keep a lock. `remaining`: the rest of the lease that the answer told. `time_limit`:
  // from `sent` on.
  std::shared_ptr<HeldLock> Hold(std::string name_space, std::string id, std::string lock,
                                 MonotonicTime sent, absl::Duration remaining,
                                 absl::Duration time_limit);
  // No more heartbeats; the watch ends, too. Repeatable.
  void Drop(const std::shared_ptr<HeldLock>& held);
  // Takes a dropped lock up again.
  void Resume(const std::shared_ptr<HeldLock>& held);

  // A request of the holder's own renewed the lease.
  void Renewed(HeldLock& held, MonotonicTime sent, absl::Duration remaining);
  // The lock is lost, for this reason; the first reason counts.
  void Lost(HeldLock& held, absl::Status why);

  MonotonicTime ValidUntil(const HeldLock& held) const;
  // Valid by the clock now, and nobody said otherwise.
  bool IsValid(const HeldLock& held) const;
  // Why its stop source was tripped; OK where it was not.
  absl::Status WhyLost(const HeldLock& held) const;

  // Sends the heartbeats that are due, trips what is lost. Answers when to run again, at the
  // latest; the far future where nothing is held.
  MonotonicTime RunOnce();

 private:
  using Locks = std::vector<std::shared_ptr<HeldLock>>;

  void Loop();
  // Those that are due, marked as on their way; none where nothing is due yet.
  Locks TakeDue(MonotonicTime now);
  Locks TakeLost(MonotonicTime now);
  void Send(Locks due, MonotonicTime now);
  void Answered(const Locks& asked, MonotonicTime sent, absl::StatusOr<v1::BatchResponse> answer);
  void Renew(HeldLock& held, MonotonicTime sent, absl::Duration remaining);
  void Unanswered(HeldLock& held);
  void Add(const std::shared_ptr<HeldLock>& held);
  void Remove(const HeldLock& held);
  bool Has(const HeldLock& held) const;
  void LookNow();

  const std::shared_ptr<Transport> transport_;
  Clock* const clock_;
  const bool own_thread_;
  std::stop_source cancel_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Locks held_;         // guarded by mutex_
  bool look_ = false;  // the loop has something to look at; guarded by mutex_
  MonotonicTime next_look_ = absl::InfiniteFuture();  // guarded by mutex_
  bool stop_ = false;                                 // guarded by mutex_
  std::thread thread_;                                // started under mutex_, ended by Stop
};

}  // namespace tracker::internal
