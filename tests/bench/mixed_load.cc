#include "tests/bench/mixed_load.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "src/base/token.h"
#include "tests/bench/interrupt.h"

namespace tracker::bench {
namespace {

constexpr int kClaimLimit = 50;
constexpr int kClaimWaitSeconds = 1;
constexpr int kCreateBatch = 500;
constexpr int kCreators = 2;
constexpr int kNamedCallers = 2;
// Shares of the claimed tasks, in percent; the rest succeed.
constexpr int kFailPercent = 8;
constexpr int kReleasePercent = 2;
constexpr absl::Duration kCreatorPause = absl::Milliseconds(5);
constexpr absl::Duration kNamedPause = absl::Milliseconds(10);
constexpr absl::Duration kAfterError = absl::Milliseconds(100);
constexpr int64_t kTooManyErrors = 1000;

bool IsFinished(v1::Status status) {
  return status == v1::STATUS_SUCCEEDED || status == v1::STATUS_EXHAUSTED ||
         status == v1::STATUS_IGNORED;
}

template <typename Request>
void Name(const v1::Task& task, Request* request) {
  request->set_namespace_(task.namespace_());
  request->set_id(task.id());
  request->set_lock(task.lock());
}

void AddEnd(const v1::Task& task, int percent, v1::Operation* operation) {
  if (percent < kFailPercent) {
    Name(task, operation->mutable_fail());
    operation->mutable_fail()->set_message(
        absl::StrCat("cannot read page ", percent, " of \"", task.id(), "\""));
  } else if (percent < kFailPercent + kReleasePercent) {
    Name(task, operation->mutable_release());
  } else {
    Name(task, operation->mutable_succeed());
  }
}

}  // namespace

MixedLoad::MixedLoad(const MixedLoadOptions& options) : options_(options) {}

void MixedLoad::Start() {
  int number = 0;
  for (int i = 0; i < options_.claimers; ++i) {
    threads_.emplace_back(&MixedLoad::RunClaimer, this, number++);
  }
  for (int i = 0; i < kCreators; ++i) {
    threads_.emplace_back(&MixedLoad::RunCreator, this, number++);
  }
  for (int i = 0; i < kNamedCallers; ++i) {
    threads_.emplace_back(&MixedLoad::RunNamed, this, number++);
  }
}

void MixedLoad::Stop() {
  stopped_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool MixedLoad::Over() const { return stopped_ || Interrupted(); }

void MixedLoad::RunClaimer(int number) {
  auto stub = MakeStub(options_.address, number);
  absl::BitGen random;
  while (!Over()) {
    v1::ClaimRequest request;
    request.set_namespace_(options_.claimed_namespace);
    request.set_limit(kClaimLimit);
    request.set_worker(absl::StrCat("soak-", number));
    request.set_lock(NewLockToken());
    request.mutable_wait()->set_seconds(kClaimWaitSeconds);
    v1::ClaimResponse claimed;
    BoundedContext context;
    const absl::Time began = absl::Now();
    if (!Went("Claim", stub->Claim(&context, request, &claimed))) continue;
    claim_times_.Add(absl::Now() - began);
    if (!claimed.tasks().empty()) Finish(*stub, claimed, random);
  }
}

void MixedLoad::Finish(v1::TrackerService::Stub& stub, const v1::ClaimResponse& claimed,
                       absl::BitGen& random) {
  v1::BatchRequest request;
  for (const v1::Task& task : claimed.tasks()) {
    AddEnd(task, absl::Uniform(random, 0, 100), request.add_operations());
  }
  v1::BatchResponse response;
  BoundedContext context;
  if (!Went("Batch of ends", stub.Batch(&context, request, &response))) return;
  for (const v1::OperationResult& result : response.results()) {
    if (result.has_error()) {
      Record("end", FromRpc(result.error()));
      continue;
    }
    ++cycles_;
    if (IsFinished(result.task().status())) --unfinished_;
  }
}

void MixedLoad::RunCreator(int number) {
  auto stub = MakeStub(options_.address, number);
  while (!Over()) {
    if (unfinished_.fetch_add(kCreateBatch) + kCreateBatch > options_.backlog) {
      unfinished_ -= kCreateBatch;
      absl::SleepFor(kCreatorPause);
      continue;
    }
    const int64_t first = next_id_.fetch_add(kCreateBatch);
    v1::BatchRequest request;
    for (int64_t n = first; n < first + kCreateBatch; ++n) {
      v1::CreateRequest* create = request.add_operations()->mutable_create();
      create->set_namespace_(options_.claimed_namespace);
      create->set_id(absl::StrCat("task-", n));
      create->set_priority(static_cast<int>(n % 3));
    }
    v1::BatchResponse response;
    BoundedContext context;
    if (!Went("Batch of creates", stub->Batch(&context, request, &response))) {
      unfinished_ -= kCreateBatch;
      continue;
    }
    for (const v1::OperationResult& result : response.results()) {
      if (!result.has_error()) continue;
      --unfinished_;
      Record("create", FromRpc(result.error()));
    }
  }
}

void MixedLoad::RunNamed(int number) {
  auto stub = MakeStub(options_.address, number);
  while (!Over()) {
    if (RunNamedCycle(*stub, absl::StrCat("job-", next_id_.fetch_add(1)))) ++cycles_;
    absl::SleepFor(kNamedPause);
  }
}

bool MixedLoad::RunNamedCycle(v1::TrackerService::Stub& stub, const std::string& id) {
  v1::StartRequest start;
  start.set_namespace_(options_.named_namespace);
  start.set_id(id);
  start.set_worker("soak-named");
  start.set_lock(NewLockToken());
  start.set_create_if_missing(true);
  v1::StartResponse started;
  BoundedContext start_context;
  if (!Went("Start", stub.Start(&start_context, start, &started))) return false;
  v1::HeartbeatRequest heartbeat;
  Name(started.task(), &heartbeat);
  v1::HeartbeatResponse renewed;
  BoundedContext heartbeat_context;
  if (!Went("Heartbeat", stub.Heartbeat(&heartbeat_context, heartbeat, &renewed))) return false;
  v1::GetRequest get;
  get.set_namespace_(options_.named_namespace);
  get.set_id(id);
  v1::GetResponse got;
  BoundedContext get_context;
  if (!Went("Get", stub.Get(&get_context, get, &got))) return false;
  v1::SucceedRequest succeed;
  Name(started.task(), &succeed);
  v1::SucceedResponse succeeded;
  BoundedContext succeed_context;
  return Went("Succeed", stub.Succeed(&succeed_context, succeed, &succeeded));
}

bool MixedLoad::Went(const std::string& call, const grpc::Status& status) {
  if (status.ok()) return true;
  Record(call, FromGrpc(status));
  absl::SleepFor(kAfterError);
  return false;
}

void MixedLoad::Record(const std::string& what, const absl::Status& error) {
  absl::MutexLock lock(&mutex_);
  Problem& problem = problems_[absl::StrCat(what, ": ", absl::StatusCodeToString(error.code()))];
  if (problem.count++ == 0) problem.first_message = std::string(error.message());
}

std::map<std::string, int64_t> MixedLoad::Errors() const {
  absl::MutexLock lock(&mutex_);
  std::map<std::string, int64_t> errors;
  for (const auto& [what, problem] : problems_) {
    errors[absl::StrCat(what, " (", problem.first_message, ")")] = problem.count;
  }
  return errors;
}

absl::Status MixedLoad::Health() const {
  int64_t sum = 0;
  std::string worst;
  int64_t worst_count = 0;
  for (const auto& [what, count] : Errors()) {
    sum += count;
    if (count > worst_count) {
      worst = what;
      worst_count = count;
    }
  }
  if (sum < kTooManyErrors) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(sum, " calls went wrong; most often ", worst));
}

}  // namespace tracker::bench
