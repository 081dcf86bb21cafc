// trackerbench: how fast Tracker is on PostgreSQL, next to pgbench doing the same by hand on the
// same server in the same run. The machine may be busy with other things: read the ratios.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "tests/bench/load.h"
#include "tests/bench/pgbench.h"
#include "tests/support/postgres_cluster.h"
#include "tests/support/trackerd_process.h"

namespace tracker::bench {
namespace {

struct Options {
  std::string trackerd;
  int seconds = 10;
  int pgbench_seconds = 6;
  int callers = 256;
  int threads = 256;
  int rounds = 3;
  int batch_callers = 16;
  int batch = 100;
  int64_t tasks = 0;
  int flush_us = 0;
  std::vector<int> pgbench_clients = {1, 8, 32, 64};
  std::vector<std::string> flags;
};

// The servers of one run.
struct Bench {
  std::unique_ptr<testing::PostgresCluster> cluster;
  std::unique_ptr<testing::TrackerdProcess> trackerd;
  // Cycles a second of pgbench with one client, and at its best, by Baseline.
  std::array<double, 2> pgbench_one = {};
  std::array<double, 2> pgbench_best = {};
};

constexpr const char* kBaselineNames[] = {"the same table", "a bare table"};

void Say(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

absl::StatusOr<Bench> Prepare(const Options& options) {
  Bench bench;
  testing::PostgresClusterOptions cluster_options;
  if (options.flush_us > 0) {
    // PostgreSQL waits so long before each flush, however few commits wait for it: a slower disk.
    cluster_options.settings = {absl::StrCat("commit_delay=", options.flush_us),
                                "commit_siblings=0"};
  }
  auto cluster = testing::PostgresCluster::Start(cluster_options);
  if (!cluster.ok()) return cluster.status();
  bench.cluster = *std::move(cluster);
  if (absl::Status made = bench.cluster->CreateDatabase("tracker"); !made.ok()) return made;
  auto trackerd = testing::TrackerdProcess::Start(options.trackerd, bench.cluster->Url("tracker"),
                                                  options.flags);
  if (!trackerd.ok()) return trackerd.status();
  bench.trackerd = *std::move(trackerd);
  return bench;
}

absl::Status MeasurePgbench(const Options& options, Bench& bench) {
  constexpr int kRows = 100000;
  for (const Baseline baseline : {Baseline::kSameTable, Baseline::kBareTable}) {
    const int index = static_cast<int>(baseline);
    if (absl::Status made = PreparePgbench(*bench.cluster, "tracker", baseline, kRows);
        !made.ok()) {
      return made;
    }
    for (const int clients : options.pgbench_clients) {
      auto run = RunPgbench(*bench.cluster, "tracker", baseline, kRows, clients,
                            absl::Seconds(options.pgbench_seconds));
      if (!run.ok()) return run.status();
      Say(absl::StrFormat("pgbench   %4d clients, %-14s %9.0f cycles/s", clients,
                          kBaselineNames[index], run->cycles_per_second));
      if (clients == 1) bench.pgbench_one[index] = run->cycles_per_second;
      bench.pgbench_best[index] = std::max(bench.pgbench_best[index], run->cycles_per_second);
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
  LoadOptions load{.address = bench.trackerd->address(),
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
  auto created = CreateTasks(load);
  if (!created.ok()) return created.status();
  auto result = RunLoad(load);
  if (!result.ok()) return result.status();
  auto succeeded = CountSucceeded(load);
  if (!succeeded.ok()) return succeeded.status();
  if (*succeeded != result->cycles) {
    return absl::InternalError(absl::StrCat("the callers finished ", result->cycles,
                                            " tasks, and Count says ", *succeeded));
  }
  const std::string how = guards ? "guards" : batch > 1 ? absl::StrCat("batch ", batch) : "stub";
  Say(absl::StrFormat("trackerd  %4d callers, %-14s %9.0f cycles/s   median %s, p99 %s", callers,
                      how, result->cycles_per_second,
                      absl::FormatDuration(absl::Trunc(result->median, absl::Microseconds(10))),
                      absl::FormatDuration(absl::Trunc(result->p99, absl::Microseconds(10)))));
  Say(absl::StrFormat("          (%d tasks made by Batch(1000) at %.0f/s)", load.tasks, *created));
  return result;
}

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

int Main(int argc, char** argv) {
  Options options;
  options.trackerd =
      (std::filesystem::canonical("/proc/self/exe").parent_path() / "trackerd").string();
  CLI::App app{
      "How fast Tracker is on PostgreSQL: one cycle is the start and the success of a task.\n"
      "Starts its own PostgreSQL (fsync on) and trackerd, and in the same run has pgbench do the\n"
      "same two updates one at a time, on a copy of Tracker's table with its indexes and on a "
      "bare\n"
      "table with a primary key only; prints all and the ratios."};
  app.require_subcommand(1);
  app.add_option("--trackerd", options.trackerd, "The trackerd to measure")->capture_default_str();
  app.add_option("--seconds", options.seconds, "How long each load of trackerd is measured")
      ->capture_default_str();
  app.add_option("--pgbench-seconds", options.pgbench_seconds, "How long each run of pgbench is")
      ->capture_default_str();
  app.add_option("--pgbench-clients", options.pgbench_clients,
                 "The numbers of clients to try pgbench with; the best counts")
      ->capture_default_str();
  app.add_option("--tasks", options.tasks, "Tasks to make for a load; 0: enough");
  app.add_option("--flush-us", options.flush_us,
                 "Microseconds that each flush of the log takes longer, for trackerd and pgbench\n"
                 "alike (PostgreSQL's commit_delay); 0: as the disk is")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  app.add_option("--flag", options.flags, "A further flag for trackerd, as --flag=--lanes=4");
  CLI::App* cycle =
      app.add_subcommand("cycle", "Unary Start and Succeed: one caller, then many at once");
  cycle->add_option("--callers", options.callers, "How many at once")->capture_default_str();
  CLI::App* batch = app.add_subcommand("batch", "Batch of starts, then Batch of successes");
  batch->add_option("--callers", options.batch_callers, "How many at once")->capture_default_str();
  batch->add_option("--size", options.batch, "Tasks in each Batch")->capture_default_str();
  CLI::App* client = app.add_subcommand(
      "client",
      "Guards of the client library: one thread next to the bare stub, then many threads");
  client->add_option("--threads", options.threads, "How many at once")->capture_default_str();
  client->add_option("--rounds", options.rounds, "Turns of one thread with and without guards")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  // Debian builds Abseil with its deadlock detection on, which costs every lock a look-up.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const absl::Status status = client->parsed()  ? RunClient(options)
                              : cycle->parsed() ? RunCycle(options)
                                                : RunBatch(options);
  if (status.ok()) return 0;
  std::fprintf(stderr, "trackerbench: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace
}  // namespace tracker::bench

int main(int argc, char** argv) { return tracker::bench::Main(argc, argv); }
