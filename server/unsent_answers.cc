#include "server/unsent_answers.h"

#include <vector>

#include "grpc/grpc.h"

namespace tracker::server {

UnsentAnswers& UnsentAnswers::Shared() {
  static auto* const answers = new UnsentAnswers();
  return *answers;
}

bool UnsentAnswers::TryHold(size_t bytes, bool refusable, grpc::CallbackServerContext* context,
                            Hold* hold) {
  if (bytes < limits::kCountedAnswerBytes) return true;
  {
    absl::MutexLock lock(&mutex_);
    const bool has_room = bytes_ + bytes <= limits::kUnsentBytes;
    if (has_room || !refusable) {
      bytes_ += bytes;
      entries_.push_back(
          {.bytes = bytes, .since = base::MonotonicNow(), .call = context->c_call()});
      hold->owner_ = this;
      hold->entry_ = std::prev(entries_.end());
    }
    if (has_room) return true;
  }
  CutOffOld();
  return !refusable;
}

bool UnsentAnswers::IsFull() {
  {
    absl::MutexLock lock(&mutex_);
    if (bytes_ + limits::kAnswerBytes <= limits::kUnsentBytes) return false;
  }
  CutOffOld();
  return true;
}

// To cancel a call may run its end on this thread, which releases its hold. Until it is, gRPC has
// the call; from then on our reference keeps it.
void UnsentAnswers::CutOffOld() {
  std::vector<grpc_call*> old;
  {
    absl::MutexLock lock(&mutex_);
    const base::MonotonicTime now = base::MonotonicNow();
    for (Entry& entry : entries_) {
      if (now - entry.since < limits::kUnsentPatience) break;
      if (entry.call == nullptr) continue;
      grpc_call_ref(entry.call);
      old.push_back(entry.call);
      entry.call = nullptr;
    }
  }
  for (grpc_call* call : old) {
    grpc_call_cancel_with_status(call, GRPC_STATUS_CANCELLED, "the answer was not read", nullptr);
    grpc_call_unref(call);
  }
}

UnsentAnswers::Hold::~Hold() {
  if (owner_ == nullptr) return;
  absl::MutexLock lock(&owner_->mutex_);
  owner_->bytes_ -= entry_->bytes;
  owner_->entries_.erase(entry_);
}

}  // namespace tracker::server
