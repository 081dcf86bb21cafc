#include "src/service/reaper.h"

#include <utility>
#include <vector>

#include "absl/random/random.h"
#include "src/base/token.h"

namespace tracker::service {

absl::StatusOr<int> ReapOnce(store::Store& store, int limit) {
  absl::StatusOr<std::vector<domain::TaskKey>> keys = store.ListDue(limit);
  if (!keys.ok()) return keys.status();
  if (keys->empty()) return 0;
  absl::BitGen random;
  std::vector<domain::Command> commands;
  commands.reserve(keys->size());
  for (domain::TaskKey& key : *keys) {
    commands.push_back({.key = std::move(key),
                        .token = NewLockToken(),
                        .action = domain::Expire{},
                        .random = absl::Uniform(random, 0.0, 1.0)});
  }
  std::vector<const domain::Command*> pointers;
  pointers.reserve(commands.size());
  for (const domain::Command& command : commands) pointers.push_back(&command);
  int ended = 0;
  for (const domain::Outcome& outcome : store.Apply(pointers)) ended += outcome.ok() ? 1 : 0;
  // Rows that cannot be written now (another session holds them) must not make the reaper spin.
  return ended;
}

}  // namespace tracker::service
