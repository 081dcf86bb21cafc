#include "src/service/claimable.h"

#include <variant>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"

namespace tracker::service {

void TellClaimable(const std::vector<const domain::Command*>& commands,
                   const std::vector<domain::Outcome>& outcomes, const OnClaimable& on_claimable) {
  if (!on_claimable) return;
  absl::flat_hash_set<absl::string_view> told;
  for (size_t i = 0; i < commands.size(); ++i) {
    const domain::Command& command = *commands[i];
    if (!outcomes[i].ok() || !outcomes[i].task || !domain::Claimable(*outcomes[i].task)) continue;
    // It answers the task as it was.
    if (std::holds_alternative<domain::Delete>(command.action)) continue;
    if (told.insert(command.key.name_space).second) on_claimable(command.key.name_space);
  }
}

}  // namespace tracker::service
