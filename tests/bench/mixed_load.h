// The load of `trackerbench soak`: claimers that finish what they get well, badly or not at all;
// creators that put back as many tasks as were finished; and workers that start tasks by name.
// Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "tests/bench/latencies.h"
#include "tests/bench/rpc.h"

namespace tracker::bench {

struct MixedLoadOptions {
  std::string address;
  // Of the claimed tasks, and of those that are started by name.
  std::string claimed_namespace;
  std::string named_namespace;
  int claimers = 8;
  // Unfinished tasks that the creators keep up.
  int64_t backlog = 20'000;
};

class MixedLoad {
 public:
  explicit MixedLoad(const MixedLoadOptions& options);
  ~MixedLoad() { Stop(); }
  MixedLoad(const MixedLoad&) = delete;
  MixedLoad& operator=(const MixedLoad&) = delete;

  void Start();
  // Returns when all callers have ended. Idempotent.
  void Stop();

  // Attempts that ended, since the last.
  int64_t TakeCycles() { return cycles_.exchange(0); }
  // Of Claim, since the last.
  Percentiles TakeClaimTimes() { return claim_times_.Take(); }
  // How often what went wrong, with the first message.
  std::map<std::string, int64_t> Errors() const;
  // Not OK once so much went wrong that going on is of no use.
  absl::Status Health() const;

 private:
  struct Problem {
    int64_t count = 0;
    std::string first_message;
  };

  bool Over() const;
  void RunClaimer(int number);
  void RunCreator(int number);
  void RunNamed(int number);
  // Start, Heartbeat, Get, Succeed of a task that is new.
  bool RunNamedCycle(v1::TrackerService::Stub& stub, const std::string& id);
  void Finish(v1::TrackerService::Stub& stub, const v1::ClaimResponse& claimed,
              absl::BitGen& random);
  void Record(const std::string& what, const absl::Status& error);
  // Whether the call went well; else records that it did not, and waits a little.
  bool Went(const std::string& call, const grpc::Status& status);

  const MixedLoadOptions options_;
  std::atomic<bool> stopped_{false};
  std::atomic<int64_t> cycles_{0};
  std::atomic<int64_t> unfinished_{0};
  std::atomic<int64_t> next_id_{1};
  Latencies claim_times_;
  std::vector<std::thread> threads_;
  mutable absl::Mutex mutex_;
  std::map<std::string, Problem> problems_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tracker::bench
