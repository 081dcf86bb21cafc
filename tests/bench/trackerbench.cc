// trackerbench: how fast Tracker is on PostgreSQL, next to pgbench doing the same by hand on the
// same server in the same run. The machine may be busy with other things: read the ratios.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
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
  int batch_callers = 16;
  int batch = 100;
  int64_t tasks = 0;
  std::vector<int> pgbench_clients = {1, 8, 32, 64};
  std::vector<std::string> flags;
};

// The servers of one run.
struct Bench {
  std::unique_ptr<testing::PostgresCluster> cluster;
  std::unique_ptr<testing::TrackerdProcess> trackerd;
  double pgbench_one = 0;
  double pgbench_best = 0;
};

void Say(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

absl::StatusOr<Bench> Prepare(const Options& options) {
  Bench bench;
  auto cluster = testing::PostgresCluster::Start();
  if (!cluster.ok()) return cluster.status();
  bench.cluster = *std::move(cluster);
  for (const char* database : {"tracker", "pgbench"}) {
    if (absl::Status made = bench.cluster->CreateDatabase(database); !made.ok()) return made;
  }
  auto trackerd = testing::TrackerdProcess::Start(options.trackerd, bench.cluster->Url("tracker"),
                                                  options.flags);
  if (!trackerd.ok()) return trackerd.status();
  bench.trackerd = *std::move(trackerd);
  return bench;
}

absl::Status MeasurePgbench(const Options& options, Bench& bench) {
  constexpr int kRows = 100000;
  if (absl::Status made = PreparePgbench(*bench.cluster, "pgbench", kRows); !made.ok()) return made;
  for (const int clients : options.pgbench_clients) {
    auto run = RunPgbench(*bench.cluster, "pgbench", kRows, clients,
                          absl::Seconds(options.pgbench_seconds));
    if (!run.ok()) return run.status();
    Say(absl::StrFormat("pgbench   %4d clients            %9.0f cycles/s", clients,
                        run->cycles_per_second));
    if (clients == 1) bench.pgbench_one = run->cycles_per_second;
    bench.pgbench_best = std::max(bench.pgbench_best, run->cycles_per_second);
  }
  return absl::OkStatus();
}

absl::Status MeasureTracker(const Options& options, Bench& bench, const std::string& name_space,
                            int callers, int batch, double baseline,
                            const std::string& baseline_name) {
  LoadOptions load{.address = bench.trackerd->address(),
                   .name_space = name_space,
                   .tasks = options.tasks,
                   .callers = callers,
                   .batch = batch,
                   .duration = absl::Seconds(options.seconds)};
  if (load.tasks == 0) {
    // Several times what the prototype did, so that no task is taken twice.
    load.tasks = (options.seconds + 2) * (batch > 1 ? 80000 : callers == 1 ? 3000 : 25000);
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
  Say(absl::StrFormat("trackerd  %4d callers, batch %-4d %9.0f cycles/s   median %s, p99 %s",
                      callers, batch, result->cycles_per_second,
                      absl::FormatDuration(absl::Trunc(result->median, absl::Microseconds(10))),
                      absl::FormatDuration(absl::Trunc(result->p99, absl::Microseconds(10)))));
  Say(absl::StrFormat(
      "                                   = %.2f times %s   (%d tasks made at %.0f/s)",
      result->cycles_per_second / baseline, baseline_name, load.tasks, *created));
  return absl::OkStatus();
}

absl::Status RunCycle(const Options& options) {
  auto bench = Prepare(options);
  if (!bench.ok()) return bench.status();
  if (absl::Status run = MeasurePgbench(options, *bench); !run.ok()) return run;
  if (absl::Status run = MeasureTracker(options, *bench, "one", 1, 1, bench->pgbench_one,
                                        "pgbench with one client");
      !run.ok()) {
    return run;
  }
  return MeasureTracker(options, *bench, "many", options.callers, 1, bench->pgbench_best,
                        "pgbench's best");
}

absl::Status RunBatch(const Options& options) {
  auto bench = Prepare(options);
  if (!bench.ok()) return bench.status();
  if (absl::Status run = MeasurePgbench(options, *bench); !run.ok()) return run;
  return MeasureTracker(options, *bench, "batch", options.batch_callers, options.batch,
                        bench->pgbench_best, "pgbench's best");
}

int Main(int argc, char** argv) {
  Options options;
  options.trackerd =
      (std::filesystem::canonical("/proc/self/exe").parent_path() / "trackerd").string();
  CLI::App app{
      "How fast Tracker is on PostgreSQL: one cycle is the start and the success of a task.\n"
      "Starts its own PostgreSQL (fsync on) and trackerd, and in the same run has pgbench do the\n"
      "same two updates on a hand-rolled table, one at a time; prints both and the ratio."};
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
  app.add_option("--flag", options.flags, "A further flag for trackerd, as --flag=--lanes=4");
  CLI::App* cycle =
      app.add_subcommand("cycle", "Unary Start and Succeed: one caller, then many at once");
  cycle->add_option("--callers", options.callers, "How many at once")->capture_default_str();
  CLI::App* batch = app.add_subcommand("batch", "Batch of starts, then Batch of successes");
  batch->add_option("--callers", options.batch_callers, "How many at once")->capture_default_str();
  batch->add_option("--size", options.batch, "Tasks in each Batch")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = cycle->parsed() ? RunCycle(options) : RunBatch(options);
  if (status.ok()) return 0;
  std::fprintf(stderr, "trackerbench: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace
}  // namespace tracker::bench

int main(int argc, char** argv) { return tracker::bench::Main(argc, argv); }
