// Applies commands to a PostgreSQL database: one transaction a bucket, repeated where that is safe,
// split where one row spoils it for the others. Thread-safe.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "src/domain/command.h"
#include "src/store/batch.h"
#include "src/store/postgres/connection_pool.h"

namespace tracker::store::postgres {

// The bucket of an id: XXH3 (64 bits, seed 0) of its bytes, modulo the number of buckets; the same
// on every build and machine.
int BucketOf(const std::string& id, int buckets);

class Writer {
 public:
  Writer(ConnectionPool* pool, int buckets, std::function<absl::Duration()> clock_offset)
      : pool_(pool), buckets_(buckets), clock_offset_(std::move(clock_offset)) {}

  // As Store::Apply.
  std::vector<domain::Outcome> Apply(absl::Span<const domain::Command* const> commands,
                                     const ApplyOptions& options);

 private:
  using Commands = std::vector<const domain::Command*>;
  // How a transaction is to be run.
  struct Mode {
    // Leave out rows that somebody else holds, instead of waiting for them.
    bool skip_held = false;
    // Those that are found to be held are what a stranger holds: remember them.
    bool remember_held = true;
    // A commit before may have done this already.
    bool repeated = false;
  };

  // `patience`: until when to look for what a stranger holds, one by one.
  std::vector<domain::Outcome> ApplyBucket(int bucket, const Commands& commands, Mode mode,
                                           absl::Time patience);
  absl::Status RunOnce(int bucket, Batch& batch, Mode mode);
  absl::Status LoadRows(Connection& connection, int bucket, Batch& batch, Mode mode,
                        absl::Time* now);
  absl::Status ExcludeHeld(Connection& connection, int bucket, Batch& batch,
                           const std::vector<domain::TaskKey>& found, bool remember);
  static absl::Status LoadPrerequisites(Connection& connection, int bucket, Batch& batch);
  std::vector<domain::Outcome> Split(int bucket, const Commands& commands, const absl::Status& why,
                                     absl::Time patience);

  // For each command, whether its row was seen to be held; the same for all commands on one row.
  std::vector<bool> WhichAreHeld(absl::Span<const domain::Command* const> commands);
  void RememberHeld(const domain::TaskKey& key);
  // These could be locked.
  void ForgetHeld(const std::vector<domain::TaskKey>& keys);

  ConnectionPool* const pool_;
  const int buckets_;
  const std::function<absl::Duration()> clock_offset_;

  absl::Mutex mutex_;
  // Rows that a stranger (an open psql transaction) held, and until when not to wait for them
  // again: they are tried without waiting, apart from the others, so that they do not stall a lane
  // once per call.
  absl::flat_hash_map<domain::TaskKey, absl::Time> held_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tracker::store::postgres
