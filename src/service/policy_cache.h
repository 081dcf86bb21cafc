// The policies of all namespaces, in memory, so that each command is judged by its namespace's
// without asking the database. Other servers' changes are found by the version that the store
// counts; changes through this server hold at once.
//
// Thread-safe. Of and All never wait for the store, the others do.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "src/domain/policy.h"
#include "src/domain/task.h"
#include "src/store/store.h"

namespace tracker::service {

class PolicyCache {
 public:
  using PolicyPointer = std::shared_ptr<const domain::Policy>;

  // `on_change` is called for each namespace whose policy is another now, or gone; from the thread
  // that found it.
  explicit PolicyCache(store::Store* store,
                       std::function<void(const std::string&)> on_change = nullptr);

  // Null: there is none, and the defaults hold.
  PolicyPointer Of(const std::string& name_space) const;
  std::vector<PolicyPointer> All() const;

  // Sees to it that the policies are known at all: a paused namespace must not be handed out from
  // before anybody has looked. Free once they are.
  absl::Status Load();
  // Reads the policies if any has changed since.
  absl::Status Refresh();

  // As the store's.
  absl::StatusOr<domain::Policy> Set(const domain::Policy& policy,
                                     std::optional<int64_t> revision = std::nullopt);
  absl::Status Delete(const std::string& name_space);

 private:
  using Policies = absl::flat_hash_map<std::string, PolicyPointer>;

  // Puts these in the place of what is there.
  void Replace(Policies policies);
  void Tell(const std::vector<std::string>& changed);

  store::Store* const store_;
  const std::function<void(const std::string&)> on_change_;
  std::atomic<bool> loaded_{false};

  // Held while the store is asked or changed, so that what is read before a change does not come
  // after it.
  absl::Mutex changing_;
  std::optional<int64_t> version_ ABSL_GUARDED_BY(changing_);

  mutable absl::Mutex mutex_;
  Policies policies_ ABSL_GUARDED_BY(mutex_);
};

// A task that has no number of attempts of its own shows its namespace's.
void ShowMaxAttempts(domain::Task& task, const domain::Policy* policy);

}  // namespace tracker::service
