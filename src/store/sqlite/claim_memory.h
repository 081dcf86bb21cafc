// What each Claim handed out, by its token, so that a repeated one gets the same.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/domain/task.h"
#include "src/store/sqlite/database.h"

namespace tracker::store::sqlite {

// The ids of the tasks that the token was given in the namespace within the last
// limits::kClaimMemory; none: it is new.
absl::StatusOr<std::optional<std::vector<std::string>>> RecallClaim(Connection& connection,
                                                                    const std::string& name_space,
                                                                    const std::string& token,
                                                                    absl::Time now);

// Within a write transaction of the caller's.
absl::Status RememberClaim(Connection& connection, const std::string& name_space,
                           const std::string& token, const std::vector<domain::Task>& tasks,
                           absl::Time now);

}  // namespace tracker::store::sqlite
