// claim: tasks that the server hands out, next to a queue made by hand. In turns, since the
// machine's speed drifts.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/bench/claim_baseline.h"
#include "tests/bench/measure.h"
#include "tests/bench/options.h"
#include "tests/bench/servers.h"

namespace tracker::bench {
namespace {

constexpr double kTarget = 12;
// More than any run takes, so that none runs dry.
constexpr int64_t kBaselineRowsPerSecond = 20'000;
constexpr int64_t kTasksPerSecond = 60'000;
constexpr int64_t kSingleTasksPerSecond = 25'000;

// The best of the numbers of clients.
absl::StatusOr<double> MeasureBaseline(const Options& options, const Servers& servers) {
  const std::vector<int> clients =
      options.pgbench_clients.empty() ? std::vector<int>{32} : options.pgbench_clients;
  double best = 0;
  for (const int count : clients) {
    if (absl::Status made =
            PrepareClaimBaseline(servers, options.pgbench_seconds * kBaselineRowsPerSecond);
        !made.ok()) {
      return made;
    }
    auto rate = RunClaimBaseline(servers, count, absl::Seconds(options.pgbench_seconds));
    if (!rate.ok()) return rate.status();
    Say(absl::StrFormat("pgbench   %4d clients, one by one     %9.0f cycles/s", count, *rate));
    best = std::max(best, *rate);
  }
  // Or autovacuum would work on it while trackerd is measured.
  if (absl::Status dropped = DropClaimBaseline(servers); !dropped.ok()) return dropped;
  return best;
}

absl::StatusOr<double> MeasureClaim(const Options& options, const Servers& servers,
                                    const std::string& name_space, int callers, int limit) {
  LoadOptions load{.address = servers.trackerd->address(),
                   .name_space = name_space,
                   .tasks = options.tasks,
                   .callers = callers,
                   .claim_limit = limit,
                   .duration = absl::Seconds(options.seconds)};
  if (load.tasks == 0) {
    load.tasks = absl::ToInt64Seconds(load.warm_up + load.duration) *
                 (limit > 1 ? kTasksPerSecond : kSingleTasksPerSecond);
  }
  auto result = MeasureLoad(load, absl::StrCat("Claim(", limit, ")"));
  if (!result.ok()) return result.status();
  return result->cycles_per_second;
}

}  // namespace

absl::Status RunClaim(const Options& options) {
  auto servers = StartServers(options);
  if (!servers.ok()) return servers.status();
  double baseline = 0, many = 0, single = 0;
  for (int round = 0; round < options.rounds; ++round) {
    auto by_hand = MeasureBaseline(options, *servers);
    if (!by_hand.ok()) return by_hand.status();
    auto claims = MeasureClaim(options, *servers, absl::StrCat("many", round),
                               options.claim_callers, options.claim_limit);
    if (!claims.ok()) return claims.status();
    auto one =
        MeasureClaim(options, *servers, absl::StrCat("single", round), options.single_callers, 1);
    if (!one.ok()) return one.status();
    baseline += *by_hand;
    many += *claims;
    single += *one;
  }
  const double ratio = many / baseline;
  Say(absl::StrFormat("mean of %d rounds: pgbench %.0f, Claim(%d) %.0f, Claim(1) %.0f cycles/s",
                      options.rounds, baseline / options.rounds, options.claim_limit,
                      many / options.rounds, single / options.rounds));
  Say(absl::StrFormat("Claim(%d) = %.2f times pgbench: target %.0f %s; Claim(1) = %.2f times",
                      options.claim_limit, ratio, kTarget, ratio >= kTarget ? "met" : "MISSED",
                      single / baseline));
  return absl::OkStatus();
}

}  // namespace tracker::bench
