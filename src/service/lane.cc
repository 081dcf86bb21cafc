#include "src/service/lane.h"

#include <algorithm>
#include <utility>

namespace tracker::service {

using domain::Outcome;
using domain::Reason;

namespace {

// Of the wait until a row that is held is tried again; another server's commit takes about the
// shortest.
constexpr absl::Duration kFirstPause = absl::Milliseconds(1);
constexpr absl::Duration kLongestPause = absl::Milliseconds(50);
// How often a queue without room is searched for what nobody waits for: a full one takes some
// tenths of a millisecond.
constexpr absl::Duration kSweepInterval = absl::Milliseconds(10);
// For a queue whose pace is not asked.
constexpr absl::Duration kOverloadedRetry = absl::Milliseconds(500);

// Create and Start do; so may what is none of a worker's (Ignore, Reset, Delete).
bool BeginsWork(const domain::Command& command) {
  return !std::holds_alternative<domain::Heartbeat>(command.action) &&
         !std::holds_alternative<domain::Succeed>(command.action) &&
         !std::holds_alternative<domain::Fail>(command.action) &&
         !std::holds_alternative<domain::Release>(command.action);
}

}  // namespace

Outcome Refusal(Reason reason) {
  switch (reason) {
    case Reason::kOverloaded:
      return {.reason = reason,
              .message = "the server has more work queued than it can do in time",
              .retry_after = kOverloadedRetry};
    case Reason::kDeadlineExceeded:
      return {.reason = reason, .message = "the deadline passed while the call was queued"};
    case Reason::kCancelled:
      return {.reason = reason, .message = "the caller cancelled while the call was queued"};
    default: return {.reason = Reason::kStoreUnavailable, .message = "the server is stopping"};
  }
}

Reason WhyDropped(const CallContext& context, absl::Time now) {
  if (context.cancelled && context.cancelled->load(std::memory_order_relaxed)) {
    return Reason::kCancelled;
  }
  return now >= context.deadline ? Reason::kDeadlineExceeded : Reason::kOk;
}

Lane::Lane(store::Store* store, LaneOptions options)
    : store_(store),
      options_(std::move(options)),
      admission_(options_.batch_commands),
      thread_([this] { Run(); }) {}

Lane::~Lane() { Stop(); }

void Lane::Enqueue(std::vector<Entry> entries) {
  size_t bytes = 0;
  for (const Entry& entry : entries) bytes += domain::ByteSize(entry.command);
  Outcome refusal;
  // Those behind which there was no room.
  std::vector<Entry> unwanted;
  bool queued = false;
  {
    absl::MutexLock lock(&mutex_);
    if (!stopping_ && !HasRoom(entries, bytes)) unwanted = TakeUnwanted();
    if (stopping_) {
      refusal = Refusal(Reason::kStoreUnavailable);
    } else if (!HasRoom(entries, bytes)) {
      refusal = Refusal(Reason::kOverloaded);
      refusal.retry_after = admission_.RetryAfter(entries.size(), options_.now());
    } else {
      queued_bytes_ += bytes;
      std::move(entries.begin(), entries.end(), std::back_inserter(queue_));
      if (parked_commands_ > 0) bell_.Ring();
      queued = true;
    }
  }
  const absl::Time now = options_.now();
  for (Entry& entry : unwanted) {
    entry.call->Finish(entry.index, Refusal(WhyDropped(entry.call->context(), now)));
  }
  if (queued) return;
  for (Entry& entry : entries) entry.call->Finish(entry.index, refusal);
}

std::vector<Lane::Entry> Lane::TakeUnwanted() {
  std::vector<Entry> unwanted;
  const absl::Time now = options_.now();
  if (now < next_sweep_) return unwanted;
  next_sweep_ = now + kSweepInterval;
  const auto dropped = std::stable_partition(
      queue_.begin(), queue_.end(),
      [now](const Entry& entry) { return WhyDropped(entry.call->context(), now) == Reason::kOk; });
  for (auto entry = dropped; entry != queue_.end(); ++entry) {
    queued_bytes_ -= domain::ByteSize(entry->command);
    unwanted.push_back(std::move(*entry));
  }
  queue_.erase(dropped, queue_.end());
  return unwanted;
}

bool Lane::HasRoom(const std::vector<Entry>& entries, size_t bytes) const {
  if (queue_.size() + parked_commands_ + entries.size() > options_.queue_commands ||
      queued_bytes_ + bytes > options_.queue_bytes) {
    return false;
  }
  const Arrival arrival{
      .commands = entries.size(),
      .begins_work = std::any_of(entries.begin(), entries.end(),
                                 [](const Entry& entry) { return BeginsWork(entry.command); }),
      .deadline = entries.front().call->context().deadline};
  return admission_.Admits(queue_.size(), arrival, options_.now());
}

std::vector<Lane::Entry> Lane::TakeBatch() {
  std::vector<Entry> batch;
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      TakeParked(&batch);
      TakeQueued(&batch);
      if (!batch.empty() || (stopping_ && parked_.empty())) return batch;
      if (parked_.empty()) {
        mutex_.Await(absl::Condition(this, &Lane::HasWork));
        continue;
      }
    }
    bell_.WaitFor(NextDue() - base::MonotonicNow());
  }
}

base::MonotonicTime Lane::NextDue() const {
  base::MonotonicTime next = absl::InfiniteFuture();
  for (const auto& [key, parked] : parked_) next = std::min(next, parked.due);
  return next;
}

void Lane::TakeParked(std::vector<Entry>* batch) {
  tried_again_.clear();
  if (parked_.empty()) return;
  const base::MonotonicTime now = base::MonotonicNow();
  for (auto next = parked_.begin(); next != parked_.end();) {
    const auto current = next++;
    Parked& parked = current->second;
    if (parked.due > now || batch->size() >= options_.batch_commands) continue;
    parked_commands_ -= parked.entries.size();
    for (Entry& entry : parked.entries) batch->push_back(std::move(entry));
    parked.entries.clear();
    tried_again_.insert(parked_.extract(current));
  }
}

void Lane::TakeQueued(std::vector<Entry>* batch) {
  size_t bytes = 0;
  while (!queue_.empty() && batch->size() < options_.batch_commands) {
    const size_t size = domain::ByteSize(queue_.front().command);
    if (!batch->empty() && bytes + size > options_.batch_bytes) break;
    Entry entry = std::move(queue_.front());
    queue_.pop_front();
    queued_bytes_ -= size;
    const auto parked = parked_.find(entry.command.key);
    if (parked != parked_.end()) {
      ++parked_commands_;
      parked->second.entries.push_back(std::move(entry));
      continue;
    }
    bytes += size;
    batch->push_back(std::move(entry));
  }
}

void Lane::Run() {
  while (true) {
    std::vector<Entry> batch = TakeBatch();
    if (batch.empty()) return;
    ApplyBatch(std::move(batch));
  }
}

std::vector<Lane::Entry> Lane::Wanted(std::vector<Entry> batch) const {
  const absl::Time now = options_.now();
  std::vector<Entry> wanted;
  wanted.reserve(batch.size());
  for (Entry& entry : batch) {
    entry.command.wants_documents = entry.call->WantsDocuments();
    const Reason dropped = WhyDropped(entry.call->context(), now);
    if (dropped == Reason::kOk) {
      wanted.push_back(std::move(entry));
    } else {
      entry.call->Finish(entry.index, Refusal(dropped));
    }
  }
  return wanted;
}

bool Lane::StampPolicies(std::vector<Entry>& batch) const {
  if (options_.policies == nullptr) return true;
  if (!options_.policies->Load().ok()) return false;
  for (Entry& entry : batch) {
    entry.command.policy = options_.policies->Of(entry.command.key.name_space);
  }
  return true;
}

std::vector<Outcome> Lane::Apply(const std::vector<Entry>& batch) {
  std::vector<const domain::Command*> commands;
  commands.reserve(batch.size());
  for (const Entry& entry : batch) commands.push_back(&entry.command);
  std::vector<Outcome> outcomes = store_->Apply(commands, {.patience = absl::ZeroDuration()});
  TellClaimable(commands, outcomes, options_.on_claimable);
  return outcomes;
}

void Lane::ApplyBatch(std::vector<Entry> batch) {
  batch = Wanted(std::move(batch));
  if (batch.empty()) return;
  {
    absl::MutexLock lock(&mutex_);
    admission_.Began(batch.size(), options_.now());
  }
  std::vector<Outcome> outcomes;
  if (StampPolicies(batch)) {
    outcomes = Apply(batch);
  } else {
    outcomes.assign(batch.size(), {.reason = Reason::kStoreUnavailable,
                                   .message = "the policies cannot be read from the database"});
  }
  Settle(std::move(batch), std::move(outcomes));
  absl::MutexLock lock(&mutex_);
  admission_.Ended(options_.now());
}

void Lane::Settle(std::vector<Entry> batch, std::vector<Outcome> outcomes) {
  bool unavailable = false;
  std::vector<Entry> held, deferred;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (outcomes[i].reason == Reason::kHeld || outcomes[i].reason == Reason::kDeferred) {
      (outcomes[i].reason == Reason::kHeld ? held : deferred).push_back(std::move(batch[i]));
      continue;
    }
    unavailable |= outcomes[i].reason == Reason::kStoreUnavailable;
    if (outcomes[i].task) ShowMaxAttempts(*outcomes[i].task, batch[i].command.policy.get());
    batch[i].call->Finish(batch[i].index, std::move(outcomes[i]));
  }
  Park(std::move(held), /*deferred=*/false);
  Park(std::move(deferred), /*deferred=*/true);
  if (unavailable && options_.on_unavailable) options_.on_unavailable();
}

void Lane::Park(std::vector<Entry> entries, bool deferred) {
  if (entries.empty()) return;
  size_t count = 0;
  for (Entry& entry : entries) {
    const auto before = tried_again_.find(entry.command.key);
    if (!deferred && before != tried_again_.end() &&
        before->second.waited >= options_.held_patience) {
      entry.call->Finish(entry.index, {.reason = Reason::kStoreUnavailable,
                                       .message = "another session holds the task's row"});
      continue;
    }
    const auto [place, is_new] = parked_.try_emplace(entry.command.key);
    Parked& parked = place->second;
    if (is_new && deferred) {
      parked.due = absl::InfinitePast();
    } else if (is_new) {
      if (before != tried_again_.end()) parked = std::move(before->second);
      parked.pause = std::clamp(2 * parked.pause, kFirstPause, kLongestPause);
      parked.waited += parked.pause;
      parked.due = base::MonotonicNow() + parked.pause;
    }
    parked.entries.push_back(std::move(entry));
    ++count;
  }
  absl::MutexLock lock(&mutex_);
  parked_commands_ += count;
}

void Lane::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  bell_.Ring();
  if (thread_.joinable()) thread_.join();
}

}  // namespace tracker::service
