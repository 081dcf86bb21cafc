// trackerbench: how fast Tracker is on PostgreSQL, next to pgbench doing the same by hand on the
// same server in the same run. The machine may be busy with other things: read the ratios.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "tests/bench/interrupt.h"
#include "tests/bench/options.h"

namespace tracker::bench {
namespace {

void AddCommonOptions(CLI::App& app, Options& options) {
  app.add_option("--trackerd", options.trackerd, "The trackerd to measure")->capture_default_str();
  app.add_option("--seconds", options.seconds, "How long each load of trackerd is measured")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  app.add_option("--pgbench-seconds", options.pgbench_seconds, "How long each run of pgbench is")
      ->check(CLI::Range(1, 500))
      ->capture_default_str();
  app.add_option("--pgbench-clients", options.pgbench_clients,
                 "The numbers of clients to try pgbench with; the best counts\n"
                 "[1 8 32 64; claim: 32]");
  app.add_option("--tasks", options.tasks, "Tasks to make for a load; 0: enough");
  app.add_option("--flush-us", options.flush_us,
                 "Microseconds that each flush of the log takes longer, for trackerd and pgbench\n"
                 "alike (PostgreSQL's commit_delay); 0: as the disk is")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  app.add_option("--pg-settings", options.pg_settings,
                 "Further settings for PostgreSQL, as shared_buffers=1GB")
      ->check([](const std::string& setting) {
        return setting.find('=') == std::string::npos ? setting + " is not name=value" : "";
      });
  app.add_option("--data-folder", options.data_folder, "Where PostgreSQL's folder goes")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  app.add_option("--flag", options.flags, "A further flag for trackerd, as --flag=--lanes=4");
}

void AddClaimOptions(CLI::App& claim, Options& options) {
  claim.add_option("--callers", options.claim_callers, "How many at once")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  claim.add_option("--limit", options.claim_limit, "Tasks in each Claim")
      ->check(CLI::Range(2, 1000))
      ->capture_default_str();
  claim.add_option("--single-callers", options.single_callers, "How many at once with Claim(1)")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  claim.add_option("--rounds", options.rounds, "Turns of pgbench and trackerd")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
}

void AddOverloadOptions(CLI::App& overload, Options& options) {
  overload
      .add_option("--callers", options.overload_callers,
                  "Numbers of callers to find the peak with; then ten times the best of them")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  overload.add_option("--deadline-ms", options.deadline_ms, "Of each call, in milliseconds")
      ->check(CLI::Range(1, 60'000))
      ->capture_default_str();
  overload.add_option("--rounds", options.rounds, "Turns of peak and overload")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
}

void AddSoakOptions(CLI::App& soak, Options& options) {
  soak.add_option("--rows", options.rows, "Tasks to load first")
      ->check(CLI::Range(20'000LL, 1'000'000'000LL))
      ->capture_default_str();
  soak.add_option("--minutes", options.minutes, "How long the mixed load is")
      ->check(CLI::Range(2, 10'000))
      ->capture_default_str();
  soak.add_option("--claimers", options.claimers, "Callers of Claim(50)")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  soak.add_option("--backlog", options.backlog, "Tasks that wait to be claimed at any time")
      ->check(CLI::Range(1'000LL, 10'000'000LL))
      ->capture_default_str();
  soak.add_option("--retention-seconds", options.retention_seconds,
                  "How long finished tasks of the mixed load are kept")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  soak.add_option("--markdown", options.markdown, "Also write the table to this file");
}

int Main(int argc, char** argv) {
  Options options;
  options.trackerd =
      (std::filesystem::canonical("/proc/self/exe").parent_path() / "trackerd").string();
  CLI::App app{
      "How fast Tracker is on PostgreSQL: one cycle is the start and the success of a task.\n"
      "Starts its own PostgreSQL (fsync on) and trackerd, and in the same run has pgbench do the\n"
      "same two updates one at a time; prints all and the ratios. soak: how it is after ten\n"
      "million tasks and twenty minutes. Leaves nothing behind."};
  app.require_subcommand(1);
  // The options that all have may also come after the subcommand.
  app.fallthrough();
  AddCommonOptions(app, options);
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
  CLI::App* claim = app.add_subcommand(
      "claim",
      "Claim, then one Batch of successes; next to pgbench's SELECT ... FOR UPDATE SKIP LOCKED");
  AddClaimOptions(*claim, options);
  CLI::App* overload =
      app.add_subcommand("overload", "Ten times as many callers as the server is at its best with");
  AddOverloadOptions(*overload, options);
  CLI::App* soak = app.add_subcommand(
      "soak", "Loads many tasks, then works on top of them for a while, with retention on");
  AddSoakOptions(*soak, options);
  CLI11_PARSE(app, argc, argv);
  // Debian builds Abseil with its deadlock detection on, which costs every lock a look-up.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  CatchInterrupts();
  const absl::Status status = client->parsed()     ? RunClient(options)
                              : cycle->parsed()    ? RunCycle(options)
                              : batch->parsed()    ? RunBatch(options)
                              : claim->parsed()    ? RunClaim(options)
                              : overload->parsed() ? RunOverload(options)
                                                   : RunSoak(options);
  if (status.ok()) return 0;
  std::fprintf(stderr, "trackerbench: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace
}  // namespace tracker::bench

int main(int argc, char** argv) { return tracker::bench::Main(argc, argv); }
