// The counters of a PostgreSQL database, and what keeps it tidy. Thread-safe. Each is the Store
// method of that name.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/store/postgres/read.h"
#include "src/store/store.h"

namespace tracker::store::postgres {

absl::StatusOr<CountPage> Count(const ReadAccess& read, const CountQuery& query);
absl::StatusOr<CountCheck> CheckCounts(const ReadAccess& read, const GoOn& go_on);
absl::StatusOr<std::vector<AttemptCount>> CountAttempts(const ReadAccess& read,
                                                        const std::vector<AttemptQuery>& queries);
absl::StatusOr<std::vector<std::string>> ListAttempted(const ReadAccess& read,
                                                       const std::string& after, int limit);
// But for what CountFolder does.
absl::Status Tidy(const ReadAccess& read);

}  // namespace tracker::store::postgres
