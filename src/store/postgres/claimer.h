// Hands out claimable tasks of a PostgreSQL database. Thread-safe.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "src/store/claim_deal.h"
#include "src/store/postgres/read.h"
#include "src/store/postgres/unreadable.h"
#include "src/store/postgres/writer.h"
#include "src/store/store.h"

namespace tracker::store::postgres {

class Claimer {
 public:
  // `writer` over the same pool; must outlive it.
  Claimer(ReadAccess access, Writer* writer) : read_(std::move(access)), writer_(*writer) {}

  // Each as the Store method of that name.
  absl::StatusOr<ClaimAnswer> Claim(const ClaimQuery& query);
  absl::StatusOr<std::vector<bool>> HaveClaimable(
      const std::vector<std::string>& name_spaces) const;

 private:
  struct Step;

  // The whole claim, once: Aborted, Unavailable and Unknown are worth another try.
  absl::StatusOr<ClaimAnswer> ClaimOnce(const ClaimQuery& query);
  absl::Status HandOut(Step& step);
  absl::Status ClaimInBucket(Connection& connection, int bucket, int wanted, Step& step);
  // How many of the first tasks in the order of all buckets each bucket has.
  absl::StatusOr<std::vector<int>> Shares(Connection& connection, const ClaimQuery& query,
                                          int wanted) const;
  // Rows of kRemembered.
  absl::StatusOr<Rows> Remembered(const std::string& name_space,
                                  const std::vector<std::string>& tokens) const;
  // What the tokens that were used before still hold, renewed.
  absl::Status Recall(Step& step);

  // Finds the tasks that cannot be read among the next candidates, to leave them out. Whether there
  // are any.
  bool LeaveOutUnreadable(const ClaimQuery& query);

  const ReadAccess read_;
  Writer& writer_;
  Unreadable unreadable_;
};

}  // namespace tracker::store::postgres
