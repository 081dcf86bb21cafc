// Hands out claimable tasks of a PostgreSQL database. Thread-safe.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/store/claim_deal.h"
#include "src/store/postgres/connection_pool.h"
#include "src/store/store.h"

namespace tracker::store::postgres {

class Claimer {
 public:
  Claimer(ConnectionPool* pool, int buckets, std::function<absl::Duration()> clock_offset)
      : pool_(pool), buckets_(buckets), clock_offset_(std::move(clock_offset)) {}

  // Each as the Store method of that name.
  absl::StatusOr<ClaimAnswer> Claim(const ClaimQuery& query);
  absl::StatusOr<std::vector<bool>> HaveClaimable(const std::vector<std::string>& name_spaces);

 private:
  struct Step;

  // The whole claim, once: Aborted, Unavailable and Unknown are worth another try.
  absl::StatusOr<ClaimAnswer> ClaimOnce(const ClaimQuery& query);
  absl::Status ClaimInBucket(Connection& connection, int bucket, int wanted, Step& step);
  // How many of the first tasks in the order of all buckets each bucket has.
  absl::StatusOr<std::vector<int>> Shares(Connection& connection, const ClaimQuery& query,
                                          int wanted) const;
  // What the tokens that were used before still hold.
  absl::Status Recall(Connection& connection, Step& step) const;
  absl::Duration ClockOffset() const {
    return clock_offset_ ? clock_offset_() : absl::ZeroDuration();
  }

  ConnectionPool* const pool_;
  const int buckets_;
  const std::function<absl::Duration()> clock_offset_;
};

}  // namespace tracker::store::postgres
