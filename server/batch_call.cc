#include "server/batch_call.h"

#include <utility>

#include "server/call.h"
#include "server/decode.h"
#include "server/encode.h"
#include "server/errors.h"
#include "src/base/limits.h"

namespace tracker::server {
namespace {

// One result in the making. Exactly one of the two is set.
struct Pending {
  const domain::Outcome* done = nullptr;
  std::optional<google::rpc::Status> error;
};

}  // namespace

BatchCall::BatchCall(const v1::BatchRequest& request) {
  commands_.reserve(request.operations_size());
  refused_.reserve(request.operations_size());
  for (int i = 0; i < request.operations_size(); ++i) {
    std::vector<FieldError> errors;
    domain::Command command = DecodeOperation(request.operations(i), i, errors);
    if (errors.empty()) {
      commands_.push_back(std::move(command));
      refused_.emplace_back();
    } else {
      refused_.emplace_back(InvalidFields(errors));
    }
  }
}

v1::BatchResponse BatchCall::Answer(const std::vector<domain::Outcome>& outcomes) const {
  v1::BatchResponse response;
  AnswerBudget budget(limits::kAnswerBytes);
  std::vector<Pending> pending(refused_.size());
  size_t next = 0;
  for (size_t i = 0; i < refused_.size(); ++i) {
    v1::OperationResult* result = response.add_results();
    if (refused_[i]) {
      pending[i].error = *refused_[i];
    } else if (const domain::Outcome& outcome = outcomes[next++]; outcome.ok() && outcome.task) {
      pending[i].done = &outcome;
      EncodeTask(*outcome.task, outcome.now, result->mutable_task());
    } else {
      LogUnexpected("Batch", outcome);
      pending[i].error = ErrorOf(outcome);
    }
    if (pending[i].error) *result->mutable_error() = WithoutExtras(*pending[i].error);
    budget.Spend(ElementBytes(*result));
  }
  for (size_t i = 0; i < pending.size(); ++i) {
    v1::OperationResult* result = response.mutable_results(static_cast<int>(i));
    if (pending[i].error) {
      if (budget.TrySpend(pending[i].error->ByteSizeLong() - result->error().ByteSizeLong()))
        *result->mutable_error() = *std::move(pending[i].error);
    } else if (pending[i].done->truncated) {
      result->mutable_task()->set_truncated(true);
    } else if (absl::Status status =
                   budget.AddPayload(*pending[i].done->task, result->mutable_task());
               !status.ok()) {
      *result->mutable_error() = WithoutExtras(ErrorOf(status));
    }
  }
  return response;
}

}  // namespace tracker::server
