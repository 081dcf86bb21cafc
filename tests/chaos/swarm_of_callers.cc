#include "tests/chaos/swarm_of_callers.h"

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "src/base/token.h"
#include "tests/support/pushback.h"

namespace tracker::e2e {
namespace {

// A connection takes 4096 calls at once.
constexpr int kCallersOfAConnection = 2000;
// gRPC ends a call some moments before or after its deadline.
constexpr absl::Duration kTimersAreCoarse = absl::Milliseconds(20);

}  // namespace

class SwarmOfCallers::Caller {
 public:
  Caller(SwarmOfCallers* swarm, v1::TrackerService::Stub* stub) : swarm_(*swarm), stub_(*stub) {}

  void BeginTask() {
    const std::string id = absl::StrCat(swarm_.options_.prefix, swarm_.next_task_++);
    start_ = StartOf(id, NewLockToken());
    start_.set_create_if_missing(true);
    starting_ = true;
    Send();
  }

  // Whether it goes on.
  bool Answered() {
    if (pausing_) {
      pausing_ = false;
      if (swarm_.ending_) return false;
      Send();
      return true;
    }
    const bool repeat = Note();
    if (swarm_.ending_) return false;
    if (repeat) return true;
    if (status_.ok() && starting_) {
      starting_ = false;
      Send();
    } else {
      BeginTask();
    }
    return true;
  }

  void Cancel() {
    if (pausing_) pause_.Cancel();
    if (context_) context_->TryCancel();
  }

 private:
  void Send() {
    context_.emplace();
    deadline_ = absl::Now() + swarm_.options_.deadline;
    context_->set_deadline(absl::ToChronoTime(deadline_));
    if (starting_) {
      start_call_ = stub_.AsyncStart(&*context_, start_, &swarm_.queue_);
      start_call_->Finish(&start_response_, &status_, this);
    } else {
      succeed_ = Held<v1::SucceedRequest>(start_.id(), start_.lock());
      succeed_call_ = stub_.AsyncSucceed(&*context_, succeed_, &swarm_.queue_);
      succeed_call_->Finish(&succeed_response_, &status_, this);
    }
  }

  // Notes what was said. Whether the same call is sent again after a pause, which has begun.
  bool Note() {
    Told& told = swarm_.told_;
    const grpc::StatusCode code = status_.error_code();
    if (status_.ok()) {
      ++told.answered;
      (starting_ ? told.begun : told.finished).insert(start_.id());
    } else if (code == grpc::StatusCode::DEADLINE_EXCEEDED &&
               absl::Now() >= deadline_ - kTimersAreCoarse) {
      ++told.too_late;
    } else if (code == grpc::StatusCode::CANCELLED && swarm_.ending_) {
      ++told.cancelled;
    } else if (code == grpc::StatusCode::RESOURCE_EXHAUSTED) {
      return NoteOverloaded();
    } else {
      ++told.surprises[VerdictOf(status_)];
    }
    return false;
  }

  bool NoteOverloaded() {
    const Refusal refusal = RefusalOf(status_);
    const std::optional<absl::Duration> pushback = testing::PushbackOf(*context_);
    if (refusal.reason != "OVERLOADED" || !refusal.retry_after || !pushback) {
      ++swarm_.told_.surprises["no hint with " + VerdictOf(status_)];
      return false;
    }
    ++swarm_.told_.overloaded;
    if (swarm_.ending_) return false;
    pausing_ = true;
    pause_.Set(&swarm_.queue_, absl::ToChronoTime(absl::Now() + *pushback), this);
    return true;
  }

  SwarmOfCallers& swarm_;
  v1::TrackerService::Stub& stub_;
  absl::Time deadline_;
  bool starting_ = true;
  bool pausing_ = false;
  grpc::Alarm pause_;
  std::optional<grpc::ClientContext> context_;
  grpc::Status status_;
  v1::StartRequest start_;
  v1::StartResponse start_response_;
  v1::SucceedRequest succeed_;
  v1::SucceedResponse succeed_response_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::StartResponse>> start_call_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::SucceedResponse>> succeed_call_;
};

SwarmOfCallers::SwarmOfCallers(const std::string& address, const Options& options)
    : options_(options) {
  for (int i = 0; i <= options.callers / kCallersOfAConnection; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    stubs_.push_back(v1::TrackerService::NewStub(
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments)));
  }
  for (int i = 0; i < options.callers; ++i) {
    callers_.push_back(std::make_unique<Caller>(this, stubs_[i % stubs_.size()].get()));
    callers_.back()->BeginTask();
    ++running_;
  }
}

SwarmOfCallers::~SwarmOfCallers() {
  HangUp();
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

template <typename Condition>
void SwarmOfCallers::RunWhile(const Condition& condition) {
  while (running_ > 0 && condition()) {
    void* tag = nullptr;
    bool ok = false;
    if (queue_.AsyncNext(&tag, &ok, absl::ToChronoTime(absl::Now() + absl::Milliseconds(50))) !=
        grpc::CompletionQueue::GOT_EVENT) {
      continue;
    }
    if (!static_cast<Caller*>(tag)->Answered()) --running_;
  }
}

void SwarmOfCallers::RunUntilOverloaded(int64_t count, absl::Duration limit) {
  const absl::Time end = absl::Now() + limit;
  RunWhile([&] { return told_.overloaded < count && absl::Now() < end; });
}

void SwarmOfCallers::RunUntilFinished(size_t count, absl::Duration limit) {
  const absl::Time end = absl::Now() + limit;
  RunWhile([&] { return told_.finished.size() < count && absl::Now() < end; });
}

void SwarmOfCallers::HangUp() {
  ending_ = true;
  for (const auto& caller : callers_) caller->Cancel();
  RunWhile([] { return true; });
}

void SwarmOfCallers::Finish() {
  ending_ = true;
  RunWhile([] { return true; });
}

}  // namespace tracker::e2e
