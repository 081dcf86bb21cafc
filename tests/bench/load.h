// The load of the benchmarks: callers that go through start and succeed of one task after another,
// over the plain stub or through the client library; or that claim tasks and finish them.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace tracker::bench {

struct LoadOptions {
  std::string address;
  std::string name_space = "bench";
  // The tasks are "task-1" to "task-<tasks>"; callers take them in turn.
  int64_t tasks = 0;
  int callers = 1;
  // 1: Start and Succeed, one RPC each. More: Batch of so many starts, then of so many succeeds.
  int batch = 1;
  // Not 0: Claim of so many, then a Batch of their succeeds.
  int claim_limit = 0;
  // Through the client library's guards, a thread a caller, instead of the stub.
  bool guards = false;
  absl::Duration warm_up = absl::Seconds(2);
  absl::Duration duration = absl::Seconds(10);
};

struct LoadResult {
  double cycles_per_second = 0;
  // Of one cycle; with Batch or Claim, of the batch's.
  absl::Duration median;
  absl::Duration p99;
  // All cycles, those of the warm-up too; each succeeded one task.
  int64_t cycles = 0;
};

// An error when any call is refused: the load is one that must not be.
absl::StatusOr<LoadResult> RunLoad(const LoadOptions& options);

// How many tasks of the namespace have succeeded, as Count says.
absl::StatusOr<int64_t> CountSucceeded(const LoadOptions& options);

}  // namespace tracker::bench
