// cycle, batch and client: tasks that are started by name.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/bench/measure.h"
#include "tests/bench/options.h"
#include "tests/bench/pgbench.h"
#include "tests/bench/servers.h"

namespace tracker::bench {
namespace {

struct Bench {
  Servers servers;
  // Cycles a second of pgbench with one client, and at its best, by Baseline.
  std::array<double, 2> pgbench_one = {};
  std::array<double, 2> pgbench_best = {};
};

constexpr const char* kBaselineNames[] = {"the same table", "a bare table"};

absl::StatusOr<Bench> Prepare(const Options& options) {
  auto servers = StartServers(options);
  if (!servers.ok()) return servers.status();
  Bench bench;
  bench.servers = *std::move(servers);
  return bench;
}

absl::Status MeasurePgbench(const Options& options, Bench& bench) {
  constexpr int kRows = 100000;
  const std::vector<int> clients_to_try =
      options.pgbench_clients.empty() ? std::vector<int>{1, 8, 32, 64} : options.pgbench_clients;
  for (const Baseline baseline : {Baseline::kSameTable, Baseline::kBareTable}) {
    const int index = static_cast<int>(baseline);
    if (absl::Status made = PreparePgbench(*bench.servers.cluster, kDatabase, baseline, kRows);
        !made.ok()) {
      return made;
    }
    for (const int clients : clients_to_try) {
      auto run = RunPgbench(*bench.servers.cluster, kDatabase, baseline, kRows, clients,
                            absl::Seconds(options.pgbench_seconds));
      if (!run.ok()) return run.status();
      Say(absl::StrFormat("pgbench   %4d clients, %-14s %9.0f cycles/s", clients,
                          kBaselineNames[index], *run));
      if (clients == 1) bench.pgbench_one[index] = *run;
      bench.pgbench_best[index] = std::max(bench.pgbench_best[index], *run);
    }
  }
  return absl::OkStatus();
}

void SayRatios(double cycles_per_second, const std::array<double, 2>& baseline,
               const std::string& of) {
  for (size_t i = 0; i < baseline.size(); ++i) {
    if (baseline[i] <= 0) continue;
    Say(absl::StrFormat("          = %6.2f times pgbench%s on %s", cycles_per_second / baseline[i],
                        of, kBaselineNames[i]));
  }
}

absl::StatusOr<LoadResult> MeasureTracker(const Options& options, const Bench& bench,
                                          const std::string& name_space, int callers, int batch,
                                          bool guards = false) {
  LoadOptions load{.address = bench.servers.trackerd->address(),
                   .name_space = name_space,
                   .tasks = options.tasks,
                   .callers = callers,
                   .batch = batch,
                   .guards = guards,
                   .duration = absl::Seconds(options.seconds)};
  if (load.tasks == 0) {
    // Several times what a run takes, so that no task is taken twice.
    load.tasks = (options.seconds + 2) * (batch > 1 ? 80000 : callers == 1 ? 5000 : 40000);
  }
  return MeasureLoad(load, guards      ? "guards"
                           : batch > 1 ? absl::StrCat("batch ", batch)
                                       : std::string("stub"));
}

}  // namespace

absl::Status RunCycle(const Options& options) {
  auto bench = Prepare(options);
  if (!bench.ok()) return bench.status();
  if (absl::Status run = MeasurePgbench(options, *bench); !run.ok()) return run;
  auto one = MeasureTracker(options, *bench, "one", 1, 1);
  if (!one.ok()) return one.status();
  SayRatios(one->cycles_per_second, bench->pgbench_one, " with one client");
  auto many = MeasureTracker(options, *bench, "many", options.callers, 1);
  if (!many.ok()) return many.status();
  SayRatios(many->cycles_per_second, bench->pgbench_best, "'s best");
  return absl::OkStatus();
}

absl::Status RunBatch(const Options& options) {
  auto bench = Prepare(options);
  if (!bench.ok()) return bench.status();
  if (absl::Status run = MeasurePgbench(options, *bench); !run.ok()) return run;
  auto batch = MeasureTracker(options, *bench, "batch", options.batch_callers, options.batch);
  if (!batch.ok()) return batch.status();
  SayRatios(batch->cycles_per_second, bench->pgbench_best, "'s best");
  return absl::OkStatus();
}

// One thread through guards next to one thread over the stub, in turns, since the machine's speed
// drifts; then many threads of one process through guards.
absl::Status RunClient(const Options& options) {
  auto bench = Prepare(options);
  if (!bench.ok()) return bench.status();
  if (absl::Status run = MeasurePgbench(options, *bench); !run.ok()) return run;
  double stub = 0, guards = 0;
  for (int round = 0; round < options.rounds; ++round) {
    auto plain = MeasureTracker(options, *bench, absl::StrCat("stub", round), 1, 1);
    if (!plain.ok()) return plain.status();
    auto held = MeasureTracker(options, *bench, absl::StrCat("guard", round), 1, 1, true);
    if (!held.ok()) return held.status();
    stub += plain->cycles_per_second;
    guards += held->cycles_per_second;
  }
  Say(absl::StrFormat("          = %6.2f times the bare stub, one thread, mean of %d rounds",
                      guards / stub, options.rounds));
  auto many = MeasureTracker(options, *bench, "many", options.threads, 1, true);
  if (!many.ok()) return many.status();
  SayRatios(many->cycles_per_second, bench->pgbench_best, "'s best");
  auto unary = MeasureTracker(options, *bench, "unary", options.threads, 1);
  if (!unary.ok()) return unary.status();
  Say(absl::StrFormat("          guards = %6.2f times as many callers over the stub",
                      many->cycles_per_second / unary->cycles_per_second));
  return absl::OkStatus();
}

}  // namespace tracker::bench
