#include "server/encode.h"

#include <algorithm>

#include "server/struct_json.h"
#include "server/wire_time.h"
#include "src/base/limits.h"
#include "src/domain/policy.h"
#include "src/domain/transition.h"

namespace tracker::server {
namespace {

v1::ErrorKind EncodeErrorKind(domain::ErrorKind kind) {
  switch (kind) {
    case domain::ErrorKind::kFailed: return v1::ERROR_KIND_FAILED;
    case domain::ErrorKind::kLeaseExpired: return v1::ERROR_KIND_LEASE_EXPIRED;
    case domain::ErrorKind::kReleased: return v1::ERROR_KIND_RELEASED;
  }
  return v1::ERROR_KIND_UNSPECIFIED;
}

void EncodeError(const domain::TaskError& error, v1::TaskError* out) {
  out->set_attempt(error.attempt);
  out->set_fence(error.fence);
  ToProto(error.time, out->mutable_time());
  out->set_worker(error.worker);
  out->set_kind(EncodeErrorKind(error.kind));
  out->set_message(error.message);
  out->set_traceback(error.traceback);
}

}  // namespace

v1::Status EncodeStatus(domain::Status status) {
  // The one number that differs: 0 is STATUS_UNSPECIFIED on the wire.
  if (status == domain::Status::kPending) return v1::STATUS_PENDING;
  return static_cast<v1::Status>(status);
}

void EncodeTask(const domain::Task& task, absl::Time now, v1::Task* out) {
  out->set_namespace_(task.key.name_space);
  out->set_id(task.key.id);
  out->set_status(EncodeStatus(task.status));
  out->set_attempts(task.attempts);
  // The service has put in the namespace's number where the task has none of its own.
  out->set_max_attempts(domain::EffectiveMaxAttempts(task, domain::Policy{}));
  out->set_priority(task.priority);
  out->set_fence(task.fence);
  ToProto(task.create_time, out->mutable_create_time());
  ToProto(task.update_time, out->mutable_update_time());
  ToProto(task.available_time, out->mutable_available_time());
  out->set_worker(task.worker);
  out->set_lock(task.lock);
  if (task.lock_time > absl::UnixEpoch()) ToProto(task.lock_time, out->mutable_lock_time());
  if (task.status == domain::Status::kInProgress) {
    ToProto(task.lock_expire_time, out->mutable_lock_expire_time());
    ToProto(std::max(task.lock_expire_time - now, absl::ZeroDuration()),
            out->mutable_lease_remaining());
  }
}

absl::Status EncodePayload(const domain::Task& task, v1::Task* out) {
  if (!task.data.empty()) {
    if (absl::Status status = JsonToStruct(task.data, out->mutable_data()); !status.ok())
      return status;
  }
  for (const domain::TaskError& error : task.errors) EncodeError(error, out->add_errors());
  return absl::OkStatus();
}

bool AnswerBudget::TrySpend(size_t bytes) {
  if (bytes > left_) return false;
  left_ -= bytes;
  return true;
}

absl::Status AnswerBudget::AddPayload(const domain::Task& task, v1::Task* out) {
  if (task.data.empty() && task.errors.empty()) return absl::OkStatus();
  v1::Task payload;
  if (!payloads_end_ && domain::ByteSize(task) <= left_) {
    if (absl::Status status = EncodePayload(task, &payload); !status.ok()) return status;
    if (TrySpend(payload.ByteSizeLong())) {
      if (payload.has_data()) out->mutable_data()->Swap(payload.mutable_data());
      out->mutable_errors()->Swap(payload.mutable_errors());
      return absl::OkStatus();
    }
  }
  payloads_end_ = true;
  out->set_truncated(true);
  return absl::OkStatus();
}

absl::Status EncodeList(const service::ListAnswer& answer, v1::ListResponse* out) {
  AnswerBudget budget(limits::kAnswerBytes);
  out->set_next_page_token(answer.next_page_token);
  budget.Spend(out->ByteSizeLong());
  for (const domain::Task& task : answer.tasks) {
    v1::Task* encoded = out->add_tasks();
    EncodeTask(task, answer.now, encoded);
    budget.Spend(ElementBytes(*encoded));
  }
  // A page is bounded by its bytes as JSON, which can be a fraction of those on the wire.
  for (size_t i = 0; i < answer.tasks.size(); ++i) {
    absl::Status status =
        budget.AddPayload(answer.tasks[i], out->mutable_tasks(static_cast<int>(i)));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

void EncodeCount(const service::CountAnswer& answer, v1::CountResponse* out) {
  out->set_next_page_token(answer.next_page_token);
  for (const store::StatusCount& count : answer.counts) {
    v1::StatusCount* encoded = out->add_counts();
    encoded->set_namespace_(count.name_space);
    encoded->set_status(EncodeStatus(count.status));
    encoded->set_count(count.count);
  }
}

absl::StatusOr<std::vector<domain::Task>> EncodeClaim(service::ClaimResult result,
                                                      v1::ClaimResponse* out) {
  AnswerBudget budget(limits::kAnswerBytes);
  size_t kept = 0;
  for (; kept < result.tasks.size(); ++kept) {
    const domain::Task& task = result.tasks[kept];
    v1::Task* encoded = out->add_tasks();
    EncodeTask(task, result.now, encoded);
    if (absl::Status status = EncodePayload(task, encoded); !status.ok()) return status;
    // Data may be larger on the wire than it is as JSON.
    if (!budget.TrySpend(ElementBytes(*encoded)) && kept > 0) {
      out->mutable_tasks()->RemoveLast();
      break;
    }
  }
  result.tasks.erase(result.tasks.begin(), result.tasks.begin() + static_cast<int64_t>(kept));
  return std::move(result.tasks);
}

}  // namespace tracker::server
