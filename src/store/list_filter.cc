#include "src/store/list_filter.h"

#include "absl/algorithm/container.h"

namespace tracker::store {

bool OnlyWithErrors(const ListQuery& query) {
  if (!query.error_text.empty() || query.error_fingerprint != 0) return true;
  // What failed says why.
  return !query.statuses.empty() && absl::c_all_of(query.statuses, [](domain::Status status) {
    return status == domain::Status::kFailed || status == domain::Status::kExhausted;
  });
}

}  // namespace tracker::store
