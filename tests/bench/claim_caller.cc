#include "tests/bench/claim_caller.h"

#include "src/base/token.h"

namespace tracker::bench {

ClaimCaller::ClaimCaller(Run* run, v1::TrackerService::Stub* stub, grpc::CompletionQueue* queue)
    : run_(run), stub_(stub), queue_(queue) {
  claim_.set_namespace_(run->options.name_space);
  claim_.set_limit(run->options.claim_limit);
  claim_.set_worker("bench");
}

bool ClaimCaller::Begin() {
  if (run_->Over()) return false;
  began_ = absl::Now();
  claiming_ = true;
  claim_.set_lock(NewLockToken());
  context_.emplace();
  claim_call_ = stub_->AsyncClaim(&*context_, claim_, queue_);
  claim_call_->Finish(&claimed_, &status_, this);
  return true;
}

bool ClaimCaller::Answered() {
  if (!status_.ok()) {
    run_->Failed(FromGrpc(status_));
    return false;
  }
  if (claiming_) return Finish();
  if (absl::Status refused = FirstError(finished_); !refused.ok()) {
    run_->Failed(refused);
    return false;
  }
  run_->Finished(began_, finished_.results_size());
  return Begin();
}

bool ClaimCaller::Finish() {
  if (claimed_.tasks().empty()) {
    run_->Failed(absl::ResourceExhaustedError("the tasks are used up; use more with --tasks"));
    return false;
  }
  claiming_ = false;
  finish_.Clear();
  for (const v1::Task& task : claimed_.tasks()) {
    v1::SucceedRequest* succeed = finish_.add_operations()->mutable_succeed();
    succeed->set_namespace_(task.namespace_());
    succeed->set_id(task.id());
    succeed->set_lock(task.lock());
  }
  context_.emplace();
  finish_call_ = stub_->AsyncBatch(&*context_, finish_, queue_);
  finish_call_->Finish(&finished_, &status_, this);
  return true;
}

}  // namespace tracker::bench
