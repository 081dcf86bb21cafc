// Serves Claims. Those that wait for tasks of one namespace are served together, by one step of the
// store for all of them. Who finds nothing waits: until this server makes a task claimable (Wake),
// until a poll of the database finds that another has, or until the wait is over. However many
// wait, the poll is one statement for all their namespaces (and a step for those with `after`), and
// there is none when nobody waits.
//
// Thread-safe. Claim, Wake and Tick do not block. Callbacks run on a thread of the desk, or at once
// on the caller's when the call is turned away.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "src/base/limits.h"
#include "src/base/monotonic.h"
#include "src/service/claim_group.h"
#include "src/service/policy_cache.h"
#include "src/store/store.h"

namespace tracker::service {

struct ClaimDeskOptions {
  // How often the database is polled, at most (it is made up to a tenth shorter at random).
  // Infinite: the desk has no clock of its own, and somebody calls Tick.
  absl::Duration interval = absl::Milliseconds(650);
  // Claims that may wait.
  size_t queue = limits::kClaimQueue;
  // Steps at once: while one waits for the database, another namespace need not.
  int threads = 2;
  // The monotonic clock.
  std::function<absl::Time()> now = base::MonotonicNow;
  // Takes the tasks, with their locks, that were handed out to a caller who is gone.
  std::function<void(std::vector<domain::Task>)> give_back;
  // Called when the store could not be reached.
  std::function<void()> on_unavailable;
};

class ClaimDesk {
 public:
  ClaimDesk(store::Store* store, PolicyCache* policies, ClaimDeskOptions options);
  // Stops as Stop does.
  ~ClaimDesk();
  ClaimDesk(const ClaimDesk&) = delete;
  ClaimDesk& operator=(const ClaimDesk&) = delete;

  // As Tracker::Claim. A Claim that would not wait has a look of its own at the database. One that
  // waits may join others where a look has just found nothing.
  void Claim(ClaimRequest request, CallContext context, Tracker::ClaimCallback done);

  // A task of the namespace may have become claimable, or its policy has changed. Costs next to
  // nothing when nobody waits.
  void Wake(const std::string& name_space);

  // Answers those whose wait is over or whose caller is gone, and has the database polled.
  void Tick();

  // Answers all who wait: kStoreUnavailable. Lets running steps end. Repeatable.
  void Stop();

 private:
  // The namespace, and `after` in order.
  using Key = std::pair<std::string, std::vector<std::string>>;
  struct Place {
    ClaimGroup group;
    // In due_.
    bool queued = false;
    // A step is under way; and another is wanted after it.
    bool running = false;
    bool again = false;
    // When a look that found nothing more began.
    absl::Time looked = absl::InfinitePast();
    // Where the next look goes on, and how many more follow at once.
    std::string from;
    int rounds = 0;
  };
  struct Running {
    Key key;
    absl::Time began;
    ClaimGroup::Step claims;
    store::ClaimQuery query;
  };
  struct PollQuery {
    absl::Time began;
    std::vector<std::string> name_spaces;
  };

  void Work();
  void RunStep(const Key& key);
  void Poll();
  void Watch();

  Running Begin(const Key& key, std::vector<EndedClaim>& ended)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<EndedClaim> Settle(Running step, absl::StatusOr<store::ClaimAnswer> answer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes out those whose caller has gone meanwhile, so that nobody else is told what they got.
  std::vector<EndedClaim> TakeGone(Running& step, store::ClaimAnswer& answer, const Place& place);
  static EndedClaim Serve(const Running& step, WaitingClaim claim, std::vector<domain::Task> tasks,
                          bool recalled, absl::Time now);
  PollQuery BeginPoll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<EndedClaim> SettlePoll(const PollQuery& query,
                                     const absl::StatusOr<std::vector<bool>>& answer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Asks for a look at the place's namespace.
  void MakeDue(const Key& key, Place& place) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Queue(const Key& key, Place& place) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<EndedClaim> TakeEnded() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sees to it that Watch looks at that time, or before.
  void WatchUntil(absl::Time end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetIfEmpty(const Key& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Without the mutex.
  void Answer(std::vector<EndedClaim> ended);
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || poll_due_ || !due_.empty();
  }

  store::Store* const store_;
  PolicyCache* const policies_;
  const ClaimDeskOptions options_;

  // How many Claims are here, waiting or in a step.
  std::atomic<size_t> here_{0};

  absl::Mutex mutex_;
  std::map<Key, Place> places_ ABSL_GUARDED_BY(mutex_);
  std::deque<Key> due_ ABSL_GUARDED_BY(mutex_);
  int64_t arrivals_ ABSL_GUARDED_BY(mutex_) = 0;
  bool poll_due_ ABSL_GUARDED_BY(mutex_) = false;
  // Until when Watch sleeps; and what has it look again, as that may be too long.
  absl::Time watch_until_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  base::Bell watch_bell_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::vector<std::thread> threads_;
};

}  // namespace tracker::service
