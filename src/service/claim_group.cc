#include "src/service/claim_group.h"

#include <algorithm>
#include <iterator>

#include "src/base/limits.h"
#include "src/service/lane.h"

namespace tracker::service {

using domain::Reason;

namespace {

// A paused namespace is mostly paused for longer; a client that asks again at once asks too often.
constexpr absl::Duration kPausedRetry = absl::Seconds(1);

// `stepped`: when the last step for the group began, which asked for all who waited then.
bool MustBeAsked(const WaitingClaim& claim, absl::Time stepped, absl::Time now) {
  return !claim.asked && (claim.until <= now || stepped + limits::kClaimRecall <= now);
}

}  // namespace

EndedClaim EndWith(WaitingClaim claim, domain::Outcome refusal) {
  const absl::Time now = refusal.now;
  return {.done = std::move(claim.done), .result = {.refusal = std::move(refusal), .now = now}};
}

EndedClaim EndWithNone(WaitingClaim claim, const domain::Policy* policy, absl::Time now) {
  domain::Outcome outcome{.now = now};
  if (policy != nullptr && policy->paused) {
    outcome.reason = Reason::kNamespacePaused;
    outcome.message = domain::PausedText(*policy);
    outcome.retry_after = kPausedRetry;
  }
  return EndWith(std::move(claim), std::move(outcome));
}

bool ClaimGroup::MustAsk(absl::Time now) const {
  return std::any_of(waiting_.begin(), waiting_.end(),
                     [&](const WaitingClaim& claim) { return MustBeAsked(claim, stepped_, now); });
}

ClaimGroup::Step ClaimGroup::Take(bool paused, absl::Time now) {
  std::vector<bool> taken(waiting_.size());
  int room = limits::kClaimTasks;
  const auto take = [&](const auto& wanted) {
    for (size_t i = 0; i < waiting_.size(); ++i) {
      if (taken[i] || !wanted(waiting_[i])) continue;
      // No smaller one is let past: the large one would wait for ever.
      if (waiting_[i].request.limit > room) return;
      room -= waiting_[i].request.limit;
      taken[i] = true;
    }
  };
  take([&](const WaitingClaim& claim) { return MustBeAsked(claim, stepped_, now); });
  take([&](const WaitingClaim& claim) { return !paused || !claim.asked; });
  Step step;
  std::vector<WaitingClaim> rest;
  for (size_t i = 0; i < waiting_.size(); ++i) {
    (taken[i] ? step : rest).push_back(std::move(waiting_[i]));
  }
  stepped_ = now;
  waiting_ = std::move(rest);
  return step;
}

void ClaimGroup::PutBack(Step unserved) {
  std::vector<WaitingClaim> merged;
  merged.reserve(waiting_.size() + unserved.size());
  std::merge(std::make_move_iterator(unserved.begin()), std::make_move_iterator(unserved.end()),
             std::make_move_iterator(waiting_.begin()), std::make_move_iterator(waiting_.end()),
             std::back_inserter(merged),
             [](const WaitingClaim& a, const WaitingClaim& b) { return a.number < b.number; });
  waiting_ = std::move(merged);
}

std::vector<EndedClaim> ClaimGroup::TakeEnded(const domain::Policy* policy, absl::Time now) {
  std::vector<EndedClaim> ended;
  std::vector<WaitingClaim> rest;
  for (WaitingClaim& claim : waiting_) {
    if (const Reason dropped = WhyDropped(claim.context, now); dropped != Reason::kOk) {
      ended.push_back(EndWith(std::move(claim), Refusal(dropped)));
    } else if (claim.asked && claim.until <= now) {
      ended.push_back(EndWithNone(std::move(claim), policy, now));
    } else {
      rest.push_back(std::move(claim));
    }
  }
  waiting_ = std::move(rest);
  return ended;
}

std::vector<EndedClaim> ClaimGroup::TakeAll(const domain::Outcome& refusal) {
  std::vector<EndedClaim> ended;
  for (WaitingClaim& claim : waiting_) ended.push_back(EndWith(std::move(claim), refusal));
  waiting_.clear();
  return ended;
}

bool ClaimGroup::Awaits(const std::string& token, absl::Time now) const {
  return std::any_of(waiting_.begin(), waiting_.end(), [&](const WaitingClaim& claim) {
    return claim.request.token == token && WhyDropped(claim.context, now) == Reason::kOk;
  });
}

absl::Time ClaimGroup::NextEnd(absl::Time now) const {
  absl::Time next = absl::InfiniteFuture();
  for (const WaitingClaim& claim : waiting_) {
    for (const absl::Time end : {claim.until, claim.context.deadline}) {
      if (end > now) next = std::min(next, end);
    }
  }
  return next;
}

}  // namespace tracker::service
