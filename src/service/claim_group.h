// The Claims that wait for tasks of one namespace, with the same `after`: who is asked for next,
// and who has waited long enough. Pure: no clock, no store, no lock. Not thread-safe: the desk's
// mutex guards it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "src/domain/policy.h"
#include "src/service/tracker.h"
#include "src/store/store.h"

namespace tracker::service {

struct WaitingClaim {
  ClaimRequest request;
  CallContext context;
  Tracker::ClaimCallback done;
  // Of arrival.
  int64_t number = 0;
  absl::Time arrival;
  // The end of its wait.
  absl::Time until;
  // The store has been asked on its behalf.
  bool asked = false;
};

// A Claim that is over, to be answered without any lock held.
struct EndedClaim {
  Tracker::ClaimCallback done;
  ClaimResult result;
  // Of `result`, handed out, but the caller is gone.
  std::vector<domain::Task> undelivered;
};

// The Claim ends for want of tasks: nothing, or that the namespace is paused.
EndedClaim EndWithNone(WaitingClaim claim, const domain::Policy* policy, absl::Time now);
EndedClaim EndWith(WaitingClaim claim, domain::Outcome refusal);

class ClaimGroup {
 public:
  // Of one step that is under way, from Take to Settle.
  using Step = std::vector<WaitingClaim>;

  bool empty() const { return waiting_.empty(); }
  size_t size() const { return waiting_.size(); }

  void Add(WaitingClaim claim) { waiting_.push_back(std::move(claim)); }

  // Whether the store must be asked now on behalf of somebody, though nothing is known to be there.
  bool MustAsk(absl::Time now) const;
  // Takes out who is asked for in the next step: in the order of their arrival, as many as one step
  // may serve; those that MustAsk means come before others. With a paused namespace only those that
  // were not asked for yet.
  Step Take(bool paused, absl::Time now);
  // Puts back those of a step that were not served, in their order of arrival.
  void PutBack(Step unserved);

  // Takes out those who are gone, and those who have been asked for and waited long enough.
  std::vector<EndedClaim> TakeEnded(const domain::Policy* policy, absl::Time now);
  std::vector<EndedClaim> TakeAll(const domain::Outcome& refusal);
  // Whether a caller that is still there waits with this lock: the repeat of one that is gone.
  bool Awaits(const std::string& token, absl::Time now) const;

  // When somebody's wait or deadline ends next, after `now`.
  absl::Time NextEnd(absl::Time now) const;

 private:
  std::vector<WaitingClaim> waiting_;
  // When the last step was taken.
  absl::Time stepped_ = absl::InfinitePast();
};

}  // namespace tracker::service
