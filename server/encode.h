// What the service answers, as messages of the wire, within limits::kAnswerBytes. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/domain/policy.h"
#include "src/domain/task.h"
#include "src/service/tracker.h"
#include "src/store/store.h"
#include "tracker/v1/tracker.pb.h"

namespace tracker::server {

// The task without its data and errors, as it stands at `now`. Its lock only if the task has one,
// which it has only in the answer to a start.
void EncodeTask(const domain::Task& task, absl::Time now, v1::Task* out);

// Adds the data and the errors. DataLoss when the stored data cannot be read.
absl::Status EncodePayload(const domain::Task& task, v1::Task* out);

// Shares out the bytes of an answer of many tasks: first comes what every task must have, then data
// and errors for as many as there is room. Not thread-safe; lives for one answer.
class AnswerBudget {
 public:
  explicit AnswerBudget(size_t bytes) : left_(bytes) {}

  // Takes the bytes that an element of the answer has already.
  void Spend(size_t bytes) { left_ -= bytes < left_ ? bytes : left_; }
  // Takes `bytes` if they are there.
  bool TrySpend(size_t bytes);
  // Adds data and errors, or sets `truncated`. DataLoss as EncodePayload. Once there was no room,
  // no later task gets any: what is left over is not worth reading the data of a thousand tasks
  // for.
  absl::Status AddPayload(const domain::Task& task, v1::Task* out);

 private:
  size_t left_;
  bool payloads_end_ = false;
};

// The bytes that an element takes within an answer: its own, its tag and its length.
template <typename Message>
size_t ElementBytes(const Message& message) {
  return message.ByteSizeLong() + 2 * (1 + sizeof(uint32_t));
}

// DataLoss as EncodePayload.
absl::Status EncodeList(const service::ListAnswer& answer, v1::ListResponse* out);
void EncodeCount(const service::CountAnswer& answer, v1::CountResponse* out);

// As many tasks as there is room for, whole, in their order: one at least. Answers the others,
// which are to be given back. DataLoss as EncodePayload.
absl::StatusOr<std::vector<domain::Task>> EncodeClaim(service::ClaimResult result,
                                                      v1::ClaimResponse* out);

// All that holds, defaults included.
void EncodePolicy(const domain::Policy& policy, v1::Policy* out);

void EncodeGroups(const store::ErrorGroups& groups, v1::GroupErrorsResponse* out);
void EncodeCheck(const store::CountCheck& check, v1::CheckCountsResponse* out);
void EncodeProgress(const service::JobProgress& progress, v1::BulkUpdateResponse* out);
void EncodeProgress(const service::JobProgress& progress, v1::ExpireResponse* out);
void EncodeProgress(const service::JobProgress& progress, v1::PurgeResponse* out);

// How far a Check or Repair is.
void EncodeReport(const store::CheckReport& report, v1::CheckResponse* out);
void EncodeReport(const store::CheckReport& report, v1::RepairResponse* out);

v1::Status EncodeStatus(domain::Status status);

}  // namespace tracker::server
