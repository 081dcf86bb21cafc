#include "client/src/batch.h"

#include <utility>

#include "client/src/status_details.h"

namespace tracker::internal {

absl::StatusOr<v1::Task> TakeResult(absl::StatusOr<v1::BatchResponse>& answer, size_t index) {
  if (!answer.ok()) return answer.status();
  if (index >= static_cast<size_t>(answer->results_size()))
    return absl::InternalError("the answer to a Batch has too few results");
  v1::OperationResult* result = answer->mutable_results(static_cast<int>(index));
  if (result->has_task()) return std::move(*result->mutable_task());
  return MakeStatus(result->error().code(), result->error().message(),
                    result->error().SerializeAsString());
}

}  // namespace tracker::internal
