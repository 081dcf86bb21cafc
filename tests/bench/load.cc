#include "tests/bench/load.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "src/base/token.h"
#include "tests/bench/async_callers.h"
#include "tests/bench/claim_caller.h"
#include "tests/bench/load_run.h"
#include "tests/bench/rpc.h"
#include "tracker/client.h"

namespace tracker::bench {
namespace {

using v1::TrackerService;

// Enough connections that none is the bottleneck, few enough that calls share packets.
constexpr int kChannels = 2;

void FillStart(const LoadOptions& options, int64_t number, v1::StartRequest* request) {
  request->set_namespace_(options.name_space);
  request->set_id(absl::StrCat("task-", number));
  request->set_worker("bench");
  request->set_lock(NewLockToken());
}

// A caller of unary calls, for RunAsyncCallers.
class UnaryCaller {
 public:
  UnaryCaller(Run* run, TrackerService::Stub* stub, grpc::CompletionQueue* queue)
      : run_(run), stub_(stub), queue_(queue) {}

  bool Begin() {
    const int64_t number = run_->Over() ? 0 : run_->Take(1);
    if (number == 0) return false;
    began_ = absl::Now();
    starting_ = true;
    start_.Clear();
    FillStart(run_->options, number, &start_);
    context_.emplace();
    start_call_ = stub_->AsyncStart(&*context_, start_, queue_);
    start_call_->Finish(&start_response_, &status_, this);
    return true;
  }

  bool Answered() {
    if (!status_.ok()) {
      run_->Failed(FromGrpc(status_));
      return false;
    }
    if (!starting_) {
      run_->Finished(began_, 1);
      return Begin();
    }
    starting_ = false;
    succeed_.Clear();
    succeed_.set_namespace_(start_.namespace_());
    succeed_.set_id(start_.id());
    succeed_.set_lock(start_response_.task().lock());
    context_.emplace();
    succeed_call_ = stub_->AsyncSucceed(&*context_, succeed_, queue_);
    succeed_call_->Finish(&succeed_response_, &status_, this);
    return true;
  }

 private:
  Run* const run_;
  TrackerService::Stub* const stub_;
  grpc::CompletionQueue* const queue_;
  absl::Time began_;
  bool starting_ = false;
  std::optional<BoundedContext> context_;
  grpc::Status status_;
  v1::StartRequest start_;
  v1::StartResponse start_response_;
  v1::SucceedRequest succeed_;
  v1::SucceedResponse succeed_response_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::StartResponse>> start_call_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::SucceedResponse>> succeed_call_;
};

// A caller with a thread of its own, which waits for each answer: what a simple worker does.
void RunBlockingCaller(Run& run, TrackerService::Stub& stub) {
  while (!run.Over()) {
    const int64_t number = run.Take(1);
    if (number == 0) return;
    const absl::Time began = absl::Now();
    v1::StartRequest start;
    FillStart(run.options, number, &start);
    v1::StartResponse started;
    BoundedContext start_context;
    if (grpc::Status status = stub.Start(&start_context, start, &started); !status.ok()) {
      return run.Failed(FromGrpc(status));
    }
    v1::SucceedRequest succeed;
    succeed.set_namespace_(start.namespace_());
    succeed.set_id(start.id());
    succeed.set_lock(started.task().lock());
    v1::SucceedResponse succeeded;
    BoundedContext succeed_context;
    if (grpc::Status status = stub.Succeed(&succeed_context, succeed, &succeeded); !status.ok()) {
      return run.Failed(FromGrpc(status));
    }
    run.Finished(began, 1);
  }
}

void RunBatchCaller(Run& run, TrackerService::Stub& stub) {
  const int batch = run.options.batch;
  while (!run.Over()) {
    const int64_t first = run.Take(batch);
    if (first == 0) return;
    const absl::Time began = absl::Now();
    v1::BatchRequest starts;
    for (int i = 0; i < batch; ++i) {
      FillStart(run.options, first + i, starts.add_operations()->mutable_start());
    }
    absl::StatusOr<v1::BatchResponse> started = SendBatch(stub, starts);
    if (!started.ok()) return run.Failed(started.status());
    v1::BatchRequest succeeds;
    for (const v1::OperationResult& result : started->results()) {
      v1::SucceedRequest* succeed = succeeds.add_operations()->mutable_succeed();
      succeed->set_namespace_(result.task().namespace_());
      succeed->set_id(result.task().id());
      succeed->set_lock(result.task().lock());
    }
    absl::StatusOr<v1::BatchResponse> succeeded = SendBatch(stub, succeeds);
    if (!succeeded.ok()) return run.Failed(succeeded.status());
    run.Finished(began, batch);
  }
}

void RunThreads(Run& run, const Stubs& stubs, void (*caller)(Run&, TrackerService::Stub&)) {
  std::vector<std::thread> threads;
  for (int i = 0; i < run.options.callers; ++i) {
    threads.emplace_back([&, i] { caller(run, *stubs[i % stubs.size()]); });
  }
  for (std::thread& thread : threads) thread.join();
}

// As a service would: one client, a thread a caller.
void RunGuardCallers(Run& run) {
  // The defaults, and what the other callers do too: no look-up of the host's name for each call.
  auto client = Client::Connect(run.options.address, {.worker = "bench"});
  std::vector<std::thread> threads;
  for (int i = 0; i < run.options.callers; ++i) {
    threads.emplace_back([&] {
      while (!run.Over()) {
        const int64_t number = run.Take(1);
        if (number == 0) return;
        const absl::Time began = absl::Now();
        auto task = client->Start(run.options.name_space, absl::StrCat("task-", number));
        if (!task.ok()) return run.Failed(task.status());
        if (absl::Status status = std::move(*task).Succeed(); !status.ok())
          return run.Failed(status);
        run.Finished(began, 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

absl::StatusOr<LoadResult> RunLoad(const LoadOptions& options) {
  Stubs stubs;
  for (int i = 0; i < std::min(kChannels, options.callers); ++i) {
    stubs.push_back(MakeStub(options.address, i));
  }
  Run run(options);
  if (options.claim_limit > 0) {
    RunAsyncCallers<ClaimCaller>(run, stubs);
  } else if (options.guards) {
    RunGuardCallers(run);
  } else if (options.batch > 1) {
    RunThreads(run, stubs, RunBatchCaller);
  } else if (options.callers == 1) {
    RunThreads(run, stubs, RunBlockingCaller);
  } else {
    RunAsyncCallers<UnaryCaller>(run, stubs);
  }
  return run.Result();
}

absl::StatusOr<int64_t> CountSucceeded(const LoadOptions& options) {
  auto stub = MakeStub(options.address, 0);
  v1::CountRequest request;
  request.set_namespace_(options.name_space);
  v1::CountResponse response;
  BoundedContext context;
  if (grpc::Status status = stub->Count(&context, request, &response); !status.ok()) {
    return FromGrpc(status);
  }
  for (const v1::StatusCount& count : response.counts()) {
    if (count.status() == v1::STATUS_SUCCEEDED) return count.count();
  }
  return 0;
}

}  // namespace tracker::bench
