#include "tests/bench/create.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/bench/interrupt.h"
#include "tests/bench/rpc.h"

namespace tracker::bench {
namespace {

constexpr int64_t kBatch = 1000;
// Until what the server was too busy for is asked again.
constexpr absl::Duration kBusyPause = absl::Milliseconds(200);

// Those operations that were turned away as OVERLOADED; an error where anything else was refused.
absl::StatusOr<v1::BatchRequest> TurnedAway(const v1::BatchRequest& request,
                                            const v1::BatchResponse& response) {
  v1::BatchRequest turned_away;
  for (int i = 0; i < response.results_size(); ++i) {
    if (!response.results(i).has_error()) continue;
    const absl::Status status = FromRpc(response.results(i).error());
    if (!absl::IsResourceExhausted(status)) return status;
    *turned_away.add_operations() = request.operations(i);
  }
  return turned_away;
}

class Creation {
 public:
  explicit Creation(const CreateOptions& options)
      : options_(options),
        total_(options.last - options.first + 1),
        next_(options.first),
        began_(absl::Now()) {}

  void RunCaller(int number) {
    auto stub = MakeStub(options_.address, number);
    v1::BatchRequest request;
    while (!Stopped()) {
      const int64_t first = next_.fetch_add(kBatch);
      if (first > options_.last) return;
      const int64_t last = std::min(first + kBatch - 1, options_.last);
      request.Clear();
      for (int64_t n = first; n <= last; ++n) {
        v1::CreateRequest* create = request.add_operations()->mutable_create();
        create->set_namespace_(options_.name_space);
        create->set_id(absl::StrCat("task-", n));
      }
      Made(MakeAll(*stub, request), last - first + 1);
    }
  }

  absl::StatusOr<CreateRates> Rates() {
    absl::MutexLock lock(&mutex_);
    if (!error_.ok()) return error_;
    if (made_ < total_) return InterruptedError();
    const absl::Time now = absl::Now();
    CreateRates rates{.overall = static_cast<double>(total_) / absl::ToDoubleSeconds(now - began_)};
    rates.last_tenth = last_tenth_from_ ? static_cast<double>(total_ - last_tenth_made_) /
                                              absl::ToDoubleSeconds(now - *last_tenth_from_)
                                        : rates.overall;
    return rates;
  }

 private:
  absl::Status MakeAll(v1::TrackerService::Stub& stub, v1::BatchRequest request) {
    while (!Stopped()) {
      v1::BatchResponse response;
      BoundedContext context;
      if (grpc::Status status = stub.Batch(&context, request, &response); !status.ok()) {
        return FromGrpc(status);
      }
      absl::StatusOr<v1::BatchRequest> turned_away = TurnedAway(request, response);
      if (!turned_away.ok()) return turned_away.status();
      if (turned_away->operations().empty()) return absl::OkStatus();
      request = *std::move(turned_away);
      SleepUnlessInterrupted(kBusyPause);
    }
    return InterruptedError();
  }

  bool Stopped() {
    absl::MutexLock lock(&mutex_);
    return !error_.ok() || Interrupted();
  }

  void Made(const absl::Status& status, int64_t tasks) {
    absl::MutexLock lock(&mutex_);
    if (!status.ok()) {
      if (error_.ok()) error_ = status;
      return;
    }
    made_ += tasks;
    if (!last_tenth_from_ && made_ >= total_ / 10 * 9 && made_ < total_) {
      last_tenth_from_ = absl::Now();
      last_tenth_made_ = made_;
    }
    if (options_.progress) options_.progress(made_);
  }

  const CreateOptions& options_;
  const int64_t total_;
  std::atomic<int64_t> next_;
  const absl::Time began_;
  absl::Mutex mutex_;
  int64_t made_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t last_tenth_made_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<absl::Time> last_tenth_from_ ABSL_GUARDED_BY(mutex_);
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<CreateRates> CreateTasks(const CreateOptions& options) {
  Creation creation(options);
  std::vector<std::thread> threads;
  for (int i = 0; i < options.callers; ++i) {
    threads.emplace_back([&creation, i] { creation.RunCaller(i); });
  }
  for (std::thread& thread : threads) thread.join();
  return creation.Rates();
}

}  // namespace tracker::bench
