// Reads from a PostgreSQL database: one statement, or one page, a call. Thread-safe.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "src/store/postgres/connection_pool.h"
#include "src/store/store.h"

namespace tracker::store::postgres {

class Reader {
 public:
  Reader(ConnectionPool* pool, int buckets, std::function<absl::Duration()> clock_offset)
      : pool_(pool), buckets_(buckets), clock_offset_(std::move(clock_offset)) {}

  // Each as the Store method of that name.
  domain::Outcome Get(const domain::TaskKey& key);
  absl::StatusOr<Page> List(const ListQuery& query);
  absl::StatusOr<std::vector<StatusCount>> Count(const std::string& name_space);
  absl::StatusOr<std::vector<domain::TaskKey>> ListExpired(int limit);
  absl::Status FoldCounts();
  absl::Status Ping();

 private:
  // What `use` answers, given a connection; Unavailable when there is none.
  template <typename Use>
  auto WithConnection(const Use& use) -> decltype(use(std::declval<Connection&>()));
  absl::StatusOr<Rows> Read(const StatementCall& call);
  absl::Duration ClockOffset() const {
    return clock_offset_ ? clock_offset_() : absl::ZeroDuration();
  }

  ConnectionPool* const pool_;
  const int buckets_;
  const std::function<absl::Duration()> clock_offset_;
};

}  // namespace tracker::store::postgres
