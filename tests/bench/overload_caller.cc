#include "tests/bench/overload_caller.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/token.h"
#include "tests/support/pushback.h"

namespace tracker::bench {
namespace {

// After a call that was too late: half of the longest pause that the client library makes. Without
// any, thousands of callers would use up both cores by giving calls up.
constexpr absl::Duration kLongestPause = absl::Seconds(1);

}  // namespace

bool OverloadCaller::Begin() {
  const int64_t number = run_->Over() ? 0 : run_->Take(1);
  if (number == 0) return false;
  began_ = absl::Now();
  starting_ = true;
  start_.Clear();
  start_.set_namespace_(run_->options.name_space);
  start_.set_id(absl::StrCat("task-", number));
  start_.set_worker("bench");
  start_.set_lock(NewLockToken());
  return Send();
}

bool OverloadCaller::Send() {
  context_.emplace(run_->deadline);
  if (starting_) {
    start_call_ = stub_->AsyncStart(&*context_, start_, queue_);
    start_call_->Finish(&start_response_, &status_, this);
  } else {
    succeed_call_ = stub_->AsyncSucceed(&*context_, succeed_, queue_);
    succeed_call_->Finish(&succeed_response_, &status_, this);
  }
  return true;
}

bool OverloadCaller::Answered() {
  if (pausing_) {
    pausing_ = false;
    if (std::exchange(leaving_, false)) return Begin();
    return !run_->Over() && Send();
  }
  if (!status_.ok()) return OnRefusal();
  run_->Count(run_->answered);
  if (!starting_) {
    run_->Finished(began_, 1);
    return Begin();
  }
  starting_ = false;
  succeed_.Clear();
  succeed_.set_namespace_(start_.namespace_());
  succeed_.set_id(start_.id());
  succeed_.set_lock(start_.lock());
  return Send();
}

bool OverloadCaller::OnRefusal() {
  if (status_.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    run_->Count(run_->too_late);
    leaving_ = true;
    Pause(kLongestPause * absl::Uniform(random_, 0.0, 1.0));
    return true;
  }
  const std::optional<absl::Duration> pushback = testing::PushbackOf(*context_);
  if (status_.error_code() != grpc::StatusCode::RESOURCE_EXHAUSTED || !pushback) {
    run_->Failed(FromGrpc(status_));
    return false;
  }
  run_->Count(run_->overloaded);
  Pause(*pushback);
  return true;
}

void OverloadCaller::Pause(absl::Duration duration) {
  pausing_ = true;
  pause_.Set(queue_, absl::ToChronoTime(absl::Now() + duration), this);
}

}  // namespace tracker::bench
