// Keeps the held locks of one client alive, and tells their holders when one is lost or may be.
//
// One thread, started with the first lock. What is due together is renewed in one Batch. The thread
// never waits for an answer: while the server hangs, it goes on watching the leases.
//
// Thread-safe. Invariants
//  - A lock counts as valid until: the moment before the request was sent, plus the rest of the
//    lease that the answer told. So it never counts longer than on the server, whatever the network
//    does.
//  - A lock's stop source is tripped a margin before that, once, and never with mutex_ held.
#pragma once

#include <condition_variable>
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
  std::stop_source lost;

  // Guarded by LockKeeper::mutex_.
  MonotonicTime sent;  // of the request whose answer counts
  MonotonicTime valid_until;
  MonotonicTime next_heartbeat;
  bool in_flight = false;  // a heartbeat is on its way
  bool ended = false;      // to be tripped: the server said that it is lost
};

class LockKeeper {
 public:
  // Without `own_thread` nothing happens but in RunOnce: for tests.
  LockKeeper(std::shared_ptr<Transport> transport, Clock* clock, bool own_thread);
  // Cancels what is on its way, and waits for it.
  ~LockKeeper();
  LockKeeper(const LockKeeper&) = delete;
  LockKeeper& operator=(const LockKeeper&) = delete;

  // Begins to keep a lock. `remaining`: the rest of the lease that the answer told.
  std::shared_ptr<HeldLock> Hold(std::string name_space, std::string id, std::string lock,
                                 MonotonicTime sent, absl::Duration remaining);
  // No more heartbeats; the watch ends, too. Repeatable.
  void Drop(const std::shared_ptr<HeldLock>& held);
  // Takes a dropped lock up again.
  void Resume(const std::shared_ptr<HeldLock>& held);

  // A request of the holder's own renewed the lease, or told that the lock is lost.
  void Renewed(HeldLock& held, MonotonicTime sent, absl::Duration remaining);
  void Lost(HeldLock& held);

  MonotonicTime ValidUntil(const HeldLock& held) const;
  // Valid by the clock now, and nobody said otherwise.
  bool IsValid(const HeldLock& held) const;

  // Sends the heartbeats that are due, trips what is lost. Answers when to run again, at the
  // latest; the far future where nothing is held.
  MonotonicTime RunOnce();

 private:
  using Locks = std::vector<std::shared_ptr<HeldLock>>;

  void Loop(std::stop_token stop);
  // Those that are due, marked as on their way; none where nothing is due yet.
  Locks TakeDue(MonotonicTime now);
  Locks TakeLost(MonotonicTime now);
  void Send(Locks due, MonotonicTime now);
  void Answered(const Locks& asked, MonotonicTime sent,
                const absl::StatusOr<v1::BatchResponse>& answer);
  void Renew(HeldLock& held, MonotonicTime sent, absl::Duration remaining);
  void Unanswered(HeldLock& held);

  const std::shared_ptr<Transport> transport_;
  Clock* const clock_;
  const bool own_thread_;
  std::stop_source cancel_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  Locks held_;           // guarded by mutex_
  int calls_ = 0;        // Batch calls on their way; guarded by mutex_
  bool look_ = false;    // the loop has something to look at; guarded by mutex_
  std::jthread thread_;  // started under mutex_
};

}  // namespace tracker::internal
