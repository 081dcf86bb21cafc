// The policies of a PostgreSQL database. Thread-safe. Each is the Store method of that name.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "src/store/postgres/read.h"
#include "src/store/store.h"

namespace tracker::store::postgres {

absl::StatusOr<domain::Policy> SetPolicy(const ReadAccess& read, const domain::Policy& policy,
                                         std::optional<int64_t> revision);
absl::StatusOr<std::optional<domain::Policy>> GetPolicy(const ReadAccess& read,
                                                        const std::string& name_space);
absl::StatusOr<PolicyPage> ListPolicies(const ReadAccess& read, const PolicyQuery& query);
absl::StatusOr<std::vector<PolicyChange>> ListPolicyChanges(const ReadAccess& read, int64_t since,
                                                            int limit);
absl::Status DeletePolicy(const ReadAccess& read, const std::string& name_space);
absl::StatusOr<int64_t> PolicyVersion(const ReadAccess& read);

// A part of Tidy: forgets deletions that are older than limits::kPolicyMemory.
absl::Status ForgetPolicies(const ReadAccess& read);

}  // namespace tracker::store::postgres
