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
#include "src/base/monotonic.h"
#include "src/domain/command.h"
#include "src/store/batch.h"
#include "src/store/postgres/batch_commit.h"
#include "src/store/postgres/commit_fate.h"
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

  // Each command once: those on rows that others hold are kHeld.
  std::vector<domain::Outcome> ApplyUnheld(absl::Span<const domain::Command* const> commands);
  // `patience`: until when to wait for locks that are no rows'.
  std::vector<domain::Outcome> ApplyBucket(int bucket, const Commands& commands,
                                           base::MonotonicTime patience);
  // Whether somebody holds the table itself so that nothing can be written.
  bool TableIsLocked();
  absl::Status RunOnce(int bucket, Batch& batch, Progress* progress, TransactionName* name);
  absl::Status LoadRows(Connection& connection, int bucket, Batch& batch, Progress* progress,
                        absl::Time* now);
  static absl::Status LoadDocuments(Connection& connection, int bucket, Batch& batch);
  static absl::Status LoadPrerequisites(Connection& connection, int bucket, Batch& batch);
  std::vector<domain::Outcome> Split(int bucket, const Commands& commands, const absl::Status& why,
                                     base::MonotonicTime patience);

  // For each command, whether its row is kept apart; the same for all commands on one row.
  std::vector<bool> WhichAreApart(absl::Span<const domain::Command* const> commands);
  void KeepApart(const domain::TaskKey& key);

  ConnectionPool* const pool_;
  const int buckets_;
  const std::function<absl::Duration()> clock_offset_;

  absl::Mutex mutex_;
  // Rows that spoil the transactions of others, and how many more calls of Apply keep them apart.
  // Somebody else's open transaction inserts them, so that an insert of the same key can only wait;
  // or the database cannot read them.
  absl::flat_hash_map<domain::TaskKey, int> apart_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tracker::store::postgres
