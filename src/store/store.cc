#include "src/store/store.h"

#include <iterator>
#include <utility>

namespace tracker::store {

absl::StatusOr<std::vector<StatusCount>> Store::Count(const std::string& name_space) {
  std::vector<StatusCount> counts;
  CountQuery query = {.name_space = name_space};
  do {
    absl::StatusOr<CountPage> page = Count(query);
    if (!page.ok()) return page.status();
    std::move(page->counts.begin(), page->counts.end(), std::back_inserter(counts));
    query.after = std::move(page->next);
  } while (!query.after.empty());
  return counts;
}

absl::StatusOr<std::vector<domain::Policy>> Store::ListPolicies() {
  std::vector<domain::Policy> policies;
  PolicyQuery query;
  do {
    absl::StatusOr<PolicyPage> page = ListPolicies(query);
    if (!page.ok()) return page.status();
    std::move(page->policies.begin(), page->policies.end(), std::back_inserter(policies));
    query.after = std::move(page->next);
  } while (!query.after.empty());
  return policies;
}

absl::StatusOr<AttemptCount> Store::CountAttempts(const std::string& name_space,
                                                  absl::Duration window, absl::Time since) {
  absl::StatusOr<std::vector<AttemptCount>> counts = CountAttempts(
      std::vector<AttemptQuery>{{.name_space = name_space, .window = window, .since = since}});
  if (!counts.ok()) return counts.status();
  return counts->at(0);
}

}  // namespace tracker::store
