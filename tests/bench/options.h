// What trackerbench's command line sets, and the runs that it starts. Each run starts its own
// PostgreSQL and trackerd, prints what it measured, and removes them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace tracker::bench {

struct Options {
  std::string trackerd;
  int seconds = 10;
  int pgbench_seconds = 6;
  // Empty: as the run says.
  std::vector<int> pgbench_clients;
  int64_t tasks = 0;
  int flush_us = 0;
  // Where PostgreSQL's folder goes.
  std::string data_folder = "/tmp";
  // "name=value" each.
  std::vector<std::string> pg_settings;
  std::vector<std::string> flags;

  // cycle, batch, client
  int callers = 256;
  int batch_callers = 16;
  int batch = 100;
  int threads = 256;
  int rounds = 3;

  // overload
  std::vector<int> overload_callers = {128, 256, 512};
  int deadline_ms = 500;

  // claim
  int claim_callers = 16;
  int claim_limit = 250;
  int single_callers = 256;

  // soak
  int64_t rows = 10'000'000;
  int minutes = 20;
  int claimers = 8;
  int64_t backlog = 20'000;
  int retention_seconds = 120;
  std::string markdown;
};

absl::Status RunCycle(const Options& options);
absl::Status RunBatch(const Options& options);
absl::Status RunClient(const Options& options);
absl::Status RunClaim(const Options& options);
absl::Status RunOverload(const Options& options);
absl::Status RunSoak(const Options& options);

}  // namespace tracker::bench
