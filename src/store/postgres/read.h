// What all of this store but the writer is built on: a connection of the pool, a second try, the
// clock. Thread-safe.
#pragma once

#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/store/postgres/connection_pool.h"

namespace tracker::store::postgres {

class ReadAccess {
 public:
  ReadAccess(ConnectionPool* pool, int buckets, std::function<absl::Duration()> clock_offset)
      : pool_(pool), buckets_(buckets), clock_offset_(std::move(clock_offset)) {}

  ConnectionPool* pool() const { return pool_; }
  int buckets() const { return buckets_; }
  absl::Duration ClockOffset() const {
    return clock_offset_ ? clock_offset_() : absl::ZeroDuration();
  }

  // What `use` answers, given a connection: tried twice, as a connection that was idle may be long
  // dead. Of the database's errors those that may pass become Unavailable, one that takes too long
  // DeadlineExceeded, all else Internal, each in words for a caller; a status of `use` itself stays
  // as it is.
  template <typename Use>
  auto With(const Use& use) const -> decltype(use(std::declval<Connection&>())) {
    absl::Status status;
    for (int tries = 0; tries < 2; ++tries) {
      absl::StatusOr<ConnectionPool::Lease> lease = pool_->Acquire();
      if (!lease.ok()) return ForCaller(lease.status());
      auto result = use(**lease);
      status = StatusOf(result);
      if (status.ok()) return result;
      // A commit in doubt is not made once more: others may have gone on from it.
      if ((*lease)->usable() || absl::IsUnknown(status)) break;
    }
    return ForCaller(status);
  }
  absl::StatusOr<Rows> Read(const StatementCall& call) const {
    return With([&](Connection& connection) { return connection.Execute(call); });
  }
  // The statements as one transaction.
  absl::Status Write(const std::vector<StatementCall>& calls) const {
    return With([&](Connection& connection) -> absl::Status {
      if (absl::Status begun = connection.Begin(); !begun.ok()) return begun;
      absl::Status done = connection.Commit(calls);
      if (!done.ok()) connection.Rollback();
      return done;
    });
  }

  // Unavailable, in words for a caller.
  static absl::Status Unreachable(const absl::Status& status);

 private:
  static const absl::Status& StatusOf(const absl::Status& status) { return status; }
  template <typename T>
  static const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
    return result.status();
  }
  static absl::Status ForCaller(const absl::Status& status);

  ConnectionPool* const pool_;
  const int buckets_;
  const std::function<absl::Duration()> clock_offset_;
};

}  // namespace tracker::store::postgres
