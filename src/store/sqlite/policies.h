// The namespaces' policies, and the one version that changes with any of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/domain/policy.h"
#include "src/store/sqlite/database.h"
#include "src/store/store.h"

namespace tracker::store::sqlite {

// As the methods of Store. SetPolicy and DeletePolicy: within a write transaction of the caller's.
absl::StatusOr<domain::Policy> SetPolicy(Connection& connection, domain::Policy policy,
                                         std::optional<int64_t> revision, absl::Time now);
absl::StatusOr<std::optional<domain::Policy>> GetPolicy(Connection& connection,
                                                        const std::string& name_space);
absl::StatusOr<PolicyPage> ListPolicies(Connection& connection, const PolicyQuery& query);
absl::StatusOr<std::vector<PolicyChange>> ListPolicyChanges(Connection& connection, int64_t since,
                                                            int limit);
absl::Status DeletePolicy(Connection& connection, const std::string& name_space, absl::Time now);
absl::StatusOr<int64_t> PolicyVersion(Connection& connection);

// A part of Tidy: forgets deletions from before this.
absl::Status ForgetPolicies(Connection& connection, absl::Time before);

}  // namespace tracker::store::sqlite
