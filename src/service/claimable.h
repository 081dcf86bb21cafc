// Which namespaces a commit has left a claimable task in, for the claims that wait there. Pure but
// for the callback. Thread-safe.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "src/domain/command.h"

namespace tracker::service {

using OnClaimable = std::function<void(const std::string& name_space)>;

// Calls `on_claimable`, which may be empty, once for each such namespace. The i-th outcome is the
// i-th command's.
void TellClaimable(const std::vector<const domain::Command*>& commands,
                   const std::vector<domain::Outcome>& outcomes, const OnClaimable& on_claimable);

}  // namespace tracker::service
