#include "client/src/lock_keeper.h"

#include <algorithm>
#include <utility>

#include "client/src/batch.h"
#include "client/src/convert.h"
#include "client/src/random.h"
#include "tracker/errors.h"

namespace tracker::internal {
namespace {

// Longer than this nobody waits for the answer to a heartbeat; then it is sent again.
constexpr absl::Duration kLongestCall = absl::Seconds(10);
constexpr absl::Duration kShortestCall = absl::Milliseconds(50);

absl::Duration Lease(const HeldLock& held) { return held.valid_until - held.sent; }

// When the holder is to be told: early enough to stop before another worker can have the task.
MonotonicTime TripTime(const HeldLock& held) {
  return held.valid_until - std::min(Lease(held) / 10, absl::Seconds(5));
}

// When something is to be done about it.
MonotonicTime NextEvent(const HeldLock& held) {
  const MonotonicTime end = std::min(TripTime(held), held.work_until);
  return held.in_flight ? end : std::min(end, held.next_heartbeat);
}

}  // namespace

bool IsLockLost(const absl::Status& status) {
  const Reason reason = ReasonOf(status);
  return reason == Reason::kLockLost || reason == Reason::kTaskNotFound;
}

LockKeeper::LockKeeper(std::shared_ptr<Transport> transport, Clock* clock, bool own_thread)
    : transport_(std::move(transport)), clock_(clock), own_thread_(own_thread) {}

void LockKeeper::Stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  cancel_.request_stop();
  if (!thread_.joinable()) return;
  if (thread_.get_id() == std::this_thread::get_id()) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

std::shared_ptr<HeldLock> LockKeeper::Hold(std::string name_space, std::string id,
                                           std::string lock_token, MonotonicTime sent,
                                           absl::Duration remaining, absl::Duration time_limit) {
  auto held = std::make_shared<HeldLock>();
  held->name_space = std::move(name_space);
  held->id = std::move(id);
  held->lock = std::move(lock_token);
  held->sent = absl::InfinitePast();
  held->work_until = sent + time_limit;
  std::lock_guard lock(mutex_);
  Renew(*held, sent, remaining);
  Add(held);
  if (own_thread_ && !stop_ && !thread_.joinable())
    thread_ = std::thread([self = shared_from_this()] { self->Loop(); });
  return held;
}

void LockKeeper::Drop(const std::shared_ptr<HeldLock>& held) {
  std::lock_guard lock(mutex_);
  Remove(*held);
}

void LockKeeper::Resume(const std::shared_ptr<HeldLock>& held) {
  std::lock_guard lock(mutex_);
  if (!Has(*held) && held->why.ok()) Add(held);
}

void LockKeeper::Renewed(HeldLock& held, MonotonicTime sent, absl::Duration remaining) {
  std::lock_guard lock(mutex_);
  Renew(held, sent, remaining);
}

void LockKeeper::Lost(HeldLock& held, absl::Status why) {
  {
    std::lock_guard lock(mutex_);
    if (held.why.ok()) held.why = std::move(why);
    Remove(held);
  }
  held.lost.request_stop();
}

MonotonicTime LockKeeper::ValidUntil(const HeldLock& held) const {
  std::lock_guard lock(mutex_);
  return held.valid_until;
}

bool LockKeeper::IsValid(const HeldLock& held) const {
  if (held.lost.stop_requested()) return false;
  const MonotonicTime now = clock_->Now();
  std::lock_guard lock(mutex_);
  return held.why.ok() && now < TripTime(held);
}

absl::Status LockKeeper::WhyLost(const HeldLock& held) const {
  std::lock_guard lock(mutex_);
  return held.why;
}

MonotonicTime LockKeeper::RunOnce() {
  Locks lost, due;
  const MonotonicTime now = clock_->Now();
  {
    std::lock_guard lock(mutex_);
    lost = TakeLost(now);
    due = TakeDue(now);
  }
  for (const auto& held : lost) held->lost.request_stop();
  for (size_t at = 0; at < due.size(); at += kBatchOperations) {
    const auto first = due.begin() + static_cast<std::ptrdiff_t>(at);
    const size_t size = std::min(kBatchOperations, due.size() - at);
    Send(Locks(first, first + static_cast<std::ptrdiff_t>(size)), now);
  }
  std::lock_guard lock(mutex_);
  MonotonicTime next = absl::InfiniteFuture();
  for (const auto& held : held_) {
    if (!held->why.ok()) return now;
    next = std::min(next, NextEvent(*held));
  }
  return next;
}

LockKeeper::Locks LockKeeper::TakeLost(MonotonicTime now) {
  Locks lost;
  for (const auto& held : held_) {
    if (held->why.ok() && now >= held->work_until) {
      held->why = absl::DeadlineExceededError(
          "the attempt has reached its time limit; its lease is not renewed any more");
    } else if (held->why.ok() && now >= TripTime(*held)) {
      held->why =
          absl::DeadlineExceededError("the lease comes to its end, and no heartbeat was answered");
    }
    if (!held->why.ok()) lost.push_back(held);
  }
  for (const auto& held : lost) Remove(*held);
  return lost;
}

LockKeeper::Locks LockKeeper::TakeDue(MonotonicTime now) {
  const auto is_due = [&](const auto& held) {
    return !held->in_flight && held->next_heartbeat <= now;
  };
  Locks due;
  if (std::none_of(held_.begin(), held_.end(), is_due)) return due;
  for (const auto& held : held_) {
    // All but those just renewed come along, and from then on go together: one call an interval.
    const absl::Duration soon = Lease(*held) / 4;
    if (held->in_flight || held->next_heartbeat > now + soon) continue;
    held->in_flight = true;
    due.push_back(held);
  }
  return due;
}

void LockKeeper::Send(Locks due, MonotonicTime now) {
  v1::BatchRequest request;
  absl::Duration timeout = kLongestCall;
  {
    std::lock_guard lock(mutex_);
    for (const auto& held : due) {
      Name(*held, request.add_operations()->mutable_heartbeat());
      // Short enough for a second try within the lease.
      timeout = std::min(timeout, std::max(Lease(*held) / 4, kShortestCall));
    }
  }
  transport_->Batch(std::move(request),
                    {timeout, cancel_.get_token(), /*wait_for_connection=*/true},
                    [self = shared_from_this(), due = std::move(due),
                     now](absl::StatusOr<v1::BatchResponse> answer) {
                      self->Answered(due, now, std::move(answer));
                    });
}

void LockKeeper::Answered(const Locks& asked, MonotonicTime sent,
                          absl::StatusOr<v1::BatchResponse> answer) {
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < asked.size(); ++i) {
    HeldLock& held = *asked[i];
    held.in_flight = false;
    const auto task = TakeResult(answer, i);
    if (task.ok()) {
      Renew(held, sent, FromProto(task->lease_remaining()));
    } else if (IsLockLost(task.status())) {
      if (held.why.ok()) held.why = task.status();
    } else {
      Unanswered(held);
    }
  }
  LookNow();
}

void LockKeeper::Renew(HeldLock& held, MonotonicTime sent, absl::Duration remaining) {
  // Two answers may overtake each other; what was asked later is what holds.
  if (sent < held.sent) return;
  held.sent = sent;
  held.valid_until = sent + remaining;
  held.next_heartbeat = sent + remaining / 3 * Uniform(0.85, 1.0);
}

void LockKeeper::Unanswered(HeldLock& held) {
  // Soon again, since the lease is running: a twelfth of it, at most a second.
  const absl::Duration pause =
      std::clamp(Lease(held) / 12, absl::Milliseconds(10), absl::Seconds(1));
  held.next_heartbeat = clock_->Now() + pause * Uniform(0.5, 1.0);
}

void LockKeeper::Add(const std::shared_ptr<HeldLock>& held) {
  held->place = held_.size();
  held_.push_back(held);
  // Not for each of the thousands that a busy process starts: only where it comes before all
  // others.
  if (NextEvent(*held) < next_look_) LookNow();
}

void LockKeeper::Remove(const HeldLock& held) {
  if (!Has(held)) return;
  held_.back()->place = held.place;
  std::swap(held_[held.place], held_.back());
  held_.pop_back();
}

bool LockKeeper::Has(const HeldLock& held) const {
  return held.place < held_.size() && held_[held.place].get() == &held;
}

void LockKeeper::LookNow() {
  look_ = true;
  changed_.notify_all();
}

void LockKeeper::Loop() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    look_ = false;
    lock.unlock();
    const MonotonicTime next = RunOnce();
    lock.lock();
    next_look_ = next;
    while (!stop_ && !look_ && clock_->Now() < next) clock_->Wait(changed_, lock, next);
    // While it runs, whatever is added is to be looked at.
    next_look_ = absl::InfiniteFuture();
  }
}

}  // namespace tracker::internal
