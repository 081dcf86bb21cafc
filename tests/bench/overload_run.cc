// overload: what is served while ten times as many call as can be. The best of some numbers of
// callers is the peak; ten times that number must not push it down by much.
#include <sys/resource.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/bench/async_callers.h"
#include "tests/bench/create.h"
#include "tests/bench/options.h"
#include "tests/bench/overload_caller.h"
#include "tests/bench/servers.h"
#include "tests/support/process_memory.h"

namespace tracker::bench {
namespace {

constexpr double kTarget = 0.8;
constexpr int kTimesTheCallers = 10;
// A connection takes 4096 calls at once (--max-streams); further ones would wait in the client.
constexpr int kCallersOfAConnection = 2000;
// More than any run takes; those that are given up count, too.
constexpr int64_t kTasksPerSecond = 25'000;
// How long a call may take while nothing else is asked: the server has recovered.
constexpr absl::Duration kCalm = absl::Milliseconds(100);

// Callers that want for the processor see answers late that were there in time: on a machine that
// they share with the servers it would be they who are measured. Threads started later inherit it.
void TakePrecedence() {
  constexpr int kNice = -10;
  if (setpriority(PRIO_PROCESS, 0, kNice) != 0)
    Say("(no right to run the callers before the servers: run as root, or with more cores)");
}

double MebibytesOf(int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

absl::StatusOr<LoadResult> MeasureCallers(const Options& options, const Servers& servers,
                                          const std::string& name_space, int callers) {
  LoadOptions load{.address = servers.trackerd->address(),
                   .name_space = name_space,
                   .tasks = options.tasks,
                   .callers = callers,
                   .duration = absl::Seconds(options.seconds)};
  if (load.tasks == 0) {
    load.tasks = absl::ToInt64Seconds(load.warm_up + load.duration) * kTasksPerSecond;
  }
  auto created =
      CreateTasks({.address = load.address, .name_space = load.name_space, .last = load.tasks});
  if (!created.ok()) return created.status();
  Stubs stubs;
  for (int i = 0; i < std::max(2, callers / kCallersOfAConnection); ++i) {
    stubs.push_back(MakeStub(load.address, i));
  }
  OverloadRun run(load, absl::Milliseconds(options.deadline_ms));
  RunAsyncCallers<OverloadCaller>(run, stubs);
  auto result = run.Result();
  if (!result.ok()) return result.status();
  // More may have succeeded than the callers know of: an answer may have come too late.
  auto succeeded = CountSucceeded(load);
  if (!succeeded.ok()) return succeeded.status();
  if (*succeeded < result->cycles) {
    return absl::InternalError(absl::StrCat("the callers finished ", result->cycles,
                                            " tasks, and Count says only ", *succeeded));
  }
  const double seconds = absl::ToDoubleSeconds(load.duration);
  Say(absl::StrFormat(
      "trackerd %6d callers  %8.0f cycles/s   median %s, p99 %s;  calls a second: "
      "%.0f OK, %.0f OVERLOADED, %.0f too late;  memory %.0f MiB, at most %.0f MiB",
      callers, result->cycles_per_second, Milliseconds(result->median), Milliseconds(result->p99),
      static_cast<double>(run.answered) / seconds, static_cast<double>(run.overloaded) / seconds,
      static_cast<double>(run.too_late) / seconds,
      MebibytesOf(testing::MemoryOf(servers.trackerd->pid()).resident),
      MebibytesOf(testing::MemoryOf(servers.trackerd->pid()).peak)));
  return result;
}

// How long after the load a call is first answered as quickly as on an idle server.
absl::Status MeasureRecovery(const Servers& servers) {
  const auto stub = MakeStub(servers.trackerd->address(), 1000);
  const absl::Time began = absl::Now();
  while (true) {
    const absl::Time asked = absl::Now();
    v1::CreateRequest request;
    request.set_namespace_("afterwards");
    request.set_id(absl::StrCat(absl::ToUnixMicros(asked)));
    v1::CreateResponse response;
    BoundedContext context;
    const grpc::Status status = stub->Create(&context, request, &response);
    if (status.ok() && absl::Now() - asked < kCalm) break;
    if (absl::Now() - began > absl::Minutes(1)) return absl::DeadlineExceededError("no recovery");
  }
  Say(absl::StrCat("recovered ", Milliseconds(absl::Now() - began), " after the last caller"));
  return absl::OkStatus();
}

}  // namespace

absl::Status RunOverload(const Options& options) {
  auto servers = StartServers(options);
  if (!servers.ok()) return servers.status();
  TakePrecedence();
  Say(absl::StrFormat("each call with a deadline of %d ms", options.deadline_ms));
  double sum_of_ratios = 0;
  for (int round = 0; round < options.rounds; ++round) {
    double peak = 0;
    int saturating = 0;
    for (const int callers : options.overload_callers) {
      auto result =
          MeasureCallers(options, *servers, absl::StrCat("n", callers, "-", round), callers);
      if (!result.ok()) return result.status();
      if (result->cycles_per_second > peak) {
        peak = result->cycles_per_second;
        saturating = callers;
      }
    }
    auto result = MeasureCallers(options, *servers, absl::StrCat("over", round),
                                 kTimesTheCallers * saturating);
    if (!result.ok()) return result.status();
    if (absl::Status status = MeasureRecovery(*servers); !status.ok()) return status;
    const double ratio = result->cycles_per_second / peak;
    sum_of_ratios += ratio;
    Say(absl::StrFormat("peak %.0f cycles/s with %d callers, %.0f with %d: %.2f", peak, saturating,
                        result->cycles_per_second, kTimesTheCallers * saturating, ratio));
  }
  const double mean = sum_of_ratios / options.rounds;
  Say(absl::StrFormat("mean of %d rounds: %.2f of the peak; target %.1f %s", options.rounds, mean,
                      kTarget, mean >= kTarget ? "met" : "MISSED"));
  return absl::OkStatus();
}

}  // namespace tracker::bench
