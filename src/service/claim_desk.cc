#include "src/service/claim_desk.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "absl/random/random.h"
#include "src/service/lane.h"

namespace tracker::service {

using domain::Reason;

namespace {

domain::Outcome Unreachable(const absl::Status& status, absl::Time now) {
  const bool repeat =
      absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsAborted(status);
  return {.reason = repeat ? Reason::kStoreUnavailable : Reason::kInternal,
          .message = std::string(status.message()),
          .now = now};
}

}  // namespace

ClaimDesk::ClaimDesk(store::Store* store, PolicyCache* policies, ClaimDeskOptions options)
    : store_(store), policies_(policies), options_(std::move(options)) {
  for (int i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { Work(); });
  if (options_.interval < absl::InfiniteDuration()) threads_.emplace_back([this] { Watch(); });
}

ClaimDesk::~ClaimDesk() { Stop(); }

void ClaimDesk::Claim(ClaimRequest request, CallContext context, Tracker::ClaimCallback done) {
  Reason refused = Reason::kOk;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) {
      refused = Reason::kStoreUnavailable;
    } else if (here_.load() >= options_.queue) {
      refused = Reason::kOverloaded;
    } else {
      // Before any look on its behalf, so that no Wake is missed after that.
      here_.fetch_add(1);
      const absl::Time now = options_.now();
      Key key{request.name_space, request.after};
      std::sort(key.second.begin(), key.second.end());
      Place& place = places_[key];
      // A poll comes within the interval, however long it takes.
      const bool waits = request.wait > absl::ZeroDuration();
      const bool joins = waits && (place.running || now - place.looked < 2 * options_.interval);
      const absl::Time until = now + request.wait;
      if (waits) WatchUntil(std::min(until, context.deadline));
      place.group.Add({.request = std::move(request),
                       .context = std::move(context),
                       .done = std::move(done),
                       .number = ++arrivals_,
                       .arrival = now,
                       .until = until});
      if (!joins) MakeDue(key, place);
      return;
    }
  }
  done({.refusal = Refusal(refused)});
}

void ClaimDesk::Wake(const std::string& name_space) {
  if (here_.load() == 0) return;
  absl::MutexLock lock(&mutex_);
  for (auto place = places_.lower_bound({name_space, {}});
       place != places_.end() && place->first.first == name_space; ++place) {
    place->second.looked = absl::InfinitePast();
    MakeDue(place->first, place->second);
  }
}

void ClaimDesk::MakeDue(const Key& key, Place& place) {
  place.rounds = limits::kClaimRounds;
  if (place.running) {
    place.again = true;
  } else if (!place.group.empty()) {
    Queue(key, place);
  }
}

void ClaimDesk::Queue(const Key& key, Place& place) {
  if (std::exchange(place.queued, true)) return;
  due_.push_back(key);
}

void ClaimDesk::WatchUntil(absl::Time end) {
  if (end < watch_until_) watch_bell_.Ring();
}

void ClaimDesk::ForgetIfEmpty(const Key& key) {
  const auto place = places_.find(key);
  if (place == places_.end() || place->second.running || place->second.queued) return;
  if (place->second.group.empty()) places_.erase(place);
}

void ClaimDesk::Work() {
  while (true) {
    std::optional<Key> key;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &ClaimDesk::HasWork));
      if (stopping_) return;
      if (!due_.empty()) {
        key = std::move(due_.front());
        due_.pop_front();
      } else {
        poll_due_ = false;
      }
    }
    if (key) {
      RunStep(*key);
    } else {
      Poll();
    }
  }
}

void ClaimDesk::RunStep(const Key& key) {
  std::vector<EndedClaim> ended;
  Running step;
  {
    absl::MutexLock lock(&mutex_);
    step = Begin(key, ended);
  }
  Answer(std::move(ended));
  if (step.claims.empty()) return;
  absl::StatusOr<store::ClaimAnswer> answer = absl::UnavailableError("");
  if (absl::Status loaded = policies_->Load(); !loaded.ok()) {
    answer = loaded;
  } else {
    step.query.policy = policies_->Of(key.first);
    answer = store_->Claim(step.query);
  }
  const bool unreachable = !answer.ok();
  {
    absl::MutexLock lock(&mutex_);
    ended = Settle(std::move(step), std::move(answer));
  }
  Answer(std::move(ended));
  if (unreachable && options_.on_unavailable) options_.on_unavailable();
}

ClaimDesk::Running ClaimDesk::Begin(const Key& key, std::vector<EndedClaim>& ended) {
  const absl::Time now = options_.now();
  const PolicyCache::PolicyPointer policy = policies_->Of(key.first);
  Running step{.key = key, .began = now};
  Place& place = places_[key];
  place.queued = false;
  ended = place.group.TakeEnded(policy.get(), now);
  step.claims = place.group.Take(policy && policy->paused, now);
  if (step.claims.empty()) {
    ForgetIfEmpty(key);
    return step;
  }
  place.running = true;
  place.again = false;
  step.query = {.name_space = key.first, .after = key.second, .from = place.from};
  step.query.orders.reserve(step.claims.size());
  for (const WaitingClaim& claim : step.claims) {
    step.query.orders.push_back({.token = claim.request.token,
                                 .worker = claim.request.worker,
                                 .lease = claim.request.lease,
                                 .limit = claim.request.limit});
  }
  return step;
}

EndedClaim ClaimDesk::Serve(const Running& step, WaitingClaim claim,
                            std::vector<domain::Task> tasks, bool recalled, absl::Time now) {
  for (domain::Task& task : tasks) ShowMaxAttempts(task, step.query.policy.get());
  return {.done = std::move(claim.done),
          .result = {.tasks = std::move(tasks), .recalled = recalled, .now = now}};
}

std::vector<EndedClaim> ClaimDesk::TakeGone(Running& step, store::ClaimAnswer& answer,
                                            const Place& place) {
  const absl::Time now = options_.now();
  absl::flat_hash_set<absl::string_view> still_there;
  for (const WaitingClaim& claim : step.claims) {
    if (WhyDropped(claim.context, now) == Reason::kOk) still_there.insert(claim.request.token);
  }
  std::vector<EndedClaim> gone;
  for (size_t i = 0; i < step.claims.size(); ++i) {
    const Reason dropped = WhyDropped(step.claims[i].context, now);
    if (dropped == Reason::kOk) continue;
    const std::string& token = step.query.orders[i].token;
    gone.push_back(EndWith(std::move(step.claims[i]), Refusal(dropped)));
    step.claims[i].done = nullptr;
    // A repeat of this Claim has got the same tasks, or will get them: they are not this one's to
    // give back.
    if (still_there.contains(token) || place.group.Awaits(token, now)) continue;
    // An earlier answer may have reached the worker after all.
    if (answer.recalls[i] != store::ClaimRecall::kNew) continue;
    gone.back().undelivered = std::move(answer.tasks[i]);
  }
  return gone;
}

std::vector<EndedClaim> ClaimDesk::Settle(Running step, absl::StatusOr<store::ClaimAnswer> answer) {
  const absl::Time now = options_.now();
  Place& place = places_[step.key];
  place.running = false;
  std::vector<EndedClaim> ended;
  if (!answer.ok()) {
    for (WaitingClaim& claim : step.claims) {
      ended.push_back(EndWith(std::move(claim), Unreachable(answer.status(), now)));
    }
    if (std::exchange(place.again, false)) MakeDue(step.key, place);
    ForgetIfEmpty(step.key);
    return ended;
  }
  // More of the same look: it was cut short by a bound of the store.
  const bool found = std::any_of(answer->tasks.begin(), answer->tasks.end(),
                                 [](const auto& tasks) { return !tasks.empty(); });
  const bool cut_short = !answer->next.empty() || answer->more;
  const bool goes_on = cut_short && (found || --place.rounds > 0);
  std::vector<EndedClaim> gone = TakeGone(step, *answer, place);
  std::move(gone.begin(), gone.end(), std::back_inserter(ended));
  ClaimGroup::Step unserved;
  for (size_t i = 0; i < step.claims.size(); ++i) {
    WaitingClaim& claim = step.claims[i];
    if (!claim.done) continue;
    const store::ClaimRecall recall = answer->recalls[i];
    if (recall == store::ClaimRecall::kHeld) {
      ended.push_back(EndWith(std::move(claim),
                              {.reason = Reason::kStoreUnavailable,
                               .message = "another session holds the row of a task of this claim",
                               .now = now}));
    } else if (!answer->tasks[i].empty() || recall == store::ClaimRecall::kRecalled) {
      // A lock that was used before gets nothing new: there is no use in waiting with it.
      ended.push_back(Serve(step, std::move(claim), std::move(answer->tasks[i]),
                            recall == store::ClaimRecall::kRecalled, answer->now));
    } else {
      claim.asked |= !goes_on;
      unserved.push_back(std::move(claim));
    }
  }
  const bool all_served = unserved.empty();
  place.group.PutBack(std::move(unserved));
  place.from = step.key.second.empty() ? "" : std::move(answer->next);
  if (stopping_) {
    for (EndedClaim& claim : place.group.TakeAll(Refusal(Reason::kStoreUnavailable))) {
      ended.push_back(std::move(claim));
    }
    return ended;
  }
  for (EndedClaim& claim : place.group.TakeEnded(step.query.policy.get(), now)) {
    ended.push_back(std::move(claim));
  }
  if (std::exchange(place.again, false)) {
    MakeDue(step.key, place);
  } else if (!place.group.empty() && (goes_on || all_served || place.group.MustAsk(now))) {
    Queue(step.key, place);
  } else {
    place.looked = step.began;
  }
  WatchUntil(place.group.NextEnd(now));
  ForgetIfEmpty(step.key);
  return ended;
}

void ClaimDesk::Poll() {
  PollQuery query;
  {
    absl::MutexLock lock(&mutex_);
    query = BeginPoll();
  }
  if (query.name_spaces.empty()) return;
  const absl::StatusOr<std::vector<bool>> answer = store_->HaveClaimable(query.name_spaces);
  std::vector<EndedClaim> ended;
  {
    absl::MutexLock lock(&mutex_);
    ended = SettlePoll(query, answer);
  }
  Answer(std::move(ended));
  if (!answer.ok() && options_.on_unavailable) options_.on_unavailable();
}

ClaimDesk::PollQuery ClaimDesk::BeginPoll() {
  PollQuery query{.began = options_.now()};
  for (auto& [key, place] : places_) {
    if (place.group.empty() || place.queued || place.running) continue;
    const PolicyCache::PolicyPointer policy = policies_->Of(key.first);
    if (policy && policy->paused) continue;
    if (key.second.empty()) {
      query.name_spaces.push_back(key.first);
    } else {
      MakeDue(key, place);
    }
  }
  return query;
}

std::vector<EndedClaim> ClaimDesk::SettlePoll(const PollQuery& query,
                                              const absl::StatusOr<std::vector<bool>>& answer) {
  std::vector<EndedClaim> ended;
  for (size_t i = 0; i < query.name_spaces.size(); ++i) {
    const auto found = places_.find({query.name_spaces[i], {}});
    if (found == places_.end()) continue;
    Place& place = found->second;
    if (!answer.ok()) {
      for (EndedClaim& claim : place.group.TakeAll(Unreachable(answer.status(), options_.now()))) {
        ended.push_back(std::move(claim));
      }
    } else if ((*answer)[i]) {
      MakeDue(found->first, place);
    } else if (!place.queued && !place.running) {
      place.looked = query.began;
    }
    ForgetIfEmpty({query.name_spaces[i], {}});
  }
  return ended;
}

std::vector<EndedClaim> ClaimDesk::TakeEnded() {
  const absl::Time now = options_.now();
  std::vector<EndedClaim> all;
  for (auto next = places_.begin(); next != places_.end();) {
    const auto current = next++;
    const Key key = current->first;
    Place& place = current->second;
    const PolicyCache::PolicyPointer policy = policies_->Of(key.first);
    std::vector<EndedClaim> ended = place.group.TakeEnded(policy.get(), now);
    std::move(ended.begin(), ended.end(), std::back_inserter(all));
    if (!place.queued && place.group.MustAsk(now)) MakeDue(key, place);
    ForgetIfEmpty(key);
  }
  return all;
}

void ClaimDesk::Tick() {
  std::vector<EndedClaim> ended;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) return;
    ended = TakeEnded();
    poll_due_ = !places_.empty();
  }
  Answer(std::move(ended));
}

void ClaimDesk::Watch() {
  absl::BitGen random;
  const auto next_poll = [&] {
    return options_.now() + options_.interval * absl::Uniform(random, 0.9, 1.0);
  };
  absl::Time poll = next_poll();
  bool idle = true;
  while (true) {
    std::vector<EndedClaim> ended;
    absl::Duration pause;
    {
      absl::MutexLock lock(&mutex_);
      ended = TakeEnded();
      const absl::Time now = options_.now();
      if (idle || now >= poll) {
        poll_due_ = !idle;
        poll = next_poll();
      }
      idle = places_.empty();
      watch_until_ = absl::InfiniteFuture();
      if (!idle) watch_until_ = poll;
      for (const auto& [key, place] : places_) {
        watch_until_ = std::min(watch_until_, place.group.NextEnd(now));
      }
      pause = watch_until_ - now;
    }
    Answer(std::move(ended));
    watch_bell_.WaitFor(pause);
    absl::MutexLock lock(&mutex_);
    if (stopping_) return;
  }
}

void ClaimDesk::Answer(std::vector<EndedClaim> ended) {
  here_.fetch_sub(ended.size());
  for (EndedClaim& claim : ended) {
    if (!claim.undelivered.empty() && options_.give_back) {
      options_.give_back(std::move(claim.undelivered));
    }
    claim.done(std::move(claim.result));
  }
}

void ClaimDesk::Stop() {
  std::vector<EndedClaim> ended;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    for (auto& [key, place] : places_) {
      std::vector<EndedClaim> all = place.group.TakeAll(Refusal(Reason::kStoreUnavailable));
      std::move(all.begin(), all.end(), std::back_inserter(ended));
    }
  }
  watch_bell_.Ring();
  Answer(std::move(ended));
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

}  // namespace tracker::service
