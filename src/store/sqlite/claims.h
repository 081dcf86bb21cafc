// One step of Claim: which claimable tasks are handed to whom, and what is remembered of it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/store/sqlite/batch_rows.h"
#include "src/store/sqlite/database.h"
#include "src/store/store.h"

namespace tracker::store::sqlite {

struct ClaimResult {
  ClaimAnswer answer;
  // Whether there is anything to commit.
  bool changed = false;
};

// As Store::Claim, within a write transaction of the caller's. InvalidArgument: `refused` has one
// more row, and the others are worth another try; or, where it has not, the query's `from` is not
// an answer's `next`.
absl::StatusOr<ClaimResult> ClaimTasks(Connection& connection, const ClaimQuery& query,
                                       absl::Time now, Refused& refused);

absl::StatusOr<std::vector<bool>> HaveClaimable(Connection& connection,
                                                const std::vector<std::string>& name_spaces);

}  // namespace tracker::store::sqlite
