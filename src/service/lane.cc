#include "src/service/lane.h"

#include <algorithm>
#include <utility>

namespace tracker::service {

using domain::Outcome;
using domain::Reason;

namespace {

// About how long a full queue takes to drain by half.
constexpr absl::Duration kOverloadedRetry = absl::Milliseconds(500);

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
    : store_(store), options_(std::move(options)), thread_([this] { Run(); }) {}

Lane::~Lane() { Stop(); }

void Lane::Enqueue(std::vector<Entry> entries) {
  size_t bytes = 0;
  for (const Entry& entry : entries) bytes += domain::ByteSize(entry.command);
  Reason refused = Reason::kOk;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) {
      refused = Reason::kStoreUnavailable;
    } else if (queue_.size() + entries.size() > options_.queue_commands ||
               queued_bytes_ + bytes > options_.queue_bytes) {
      refused = Reason::kOverloaded;
    } else {
      queued_bytes_ += bytes;
      std::move(entries.begin(), entries.end(), std::back_inserter(queue_));
      return;
    }
  }
  for (Entry& entry : entries) entry.call->Finish(entry.index, Refusal(refused));
}

std::vector<Lane::Entry> Lane::TakeBatch() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](Lane* lane) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lane->mutex_) {
        return lane->stopping_ || !lane->queue_.empty();
      },
      this));
  std::vector<Entry> batch;
  size_t bytes = 0;
  while (!queue_.empty() && batch.size() < options_.batch_commands) {
    const size_t size = domain::ByteSize(queue_.front().command);
    if (!batch.empty() && bytes + size > options_.batch_bytes) break;
    bytes += size;
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  queued_bytes_ -= bytes;
  return batch;
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
  std::vector<Outcome> outcomes = store_->Apply(commands);
  TellClaimable(commands, outcomes, options_.on_claimable);
  return outcomes;
}

void Lane::ApplyBatch(std::vector<Entry> batch) {
  batch = Wanted(std::move(batch));
  if (batch.empty()) return;
  std::vector<Outcome> outcomes;
  if (StampPolicies(batch)) {
    outcomes = Apply(batch);
  } else {
    outcomes.assign(batch.size(), {.reason = Reason::kStoreUnavailable,
                                   .message = "the policies cannot be read from the database"});
  }
  bool unavailable = false;
  for (size_t i = 0; i < batch.size(); ++i) {
    unavailable |= outcomes[i].reason == Reason::kStoreUnavailable;
    if (outcomes[i].task) ShowMaxAttempts(*outcomes[i].task, batch[i].command.policy.get());
    batch[i].call->Finish(batch[i].index, std::move(outcomes[i]));
  }
  if (unavailable && options_.on_unavailable) options_.on_unavailable();
}

void Lane::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

}  // namespace tracker::service
