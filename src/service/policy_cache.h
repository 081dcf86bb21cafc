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
#include "src/base/limits.h"
#include "src/domain/policy.h"
#include "src/domain/task.h"
#include "src/store/store.h"

namespace tracker::service {

class PolicyCache {
 public:
  using PolicyPointer = std::shared_ptr<const domain::Policy>;

  // `on_change` is called for each namespace whose policy is another now, or gone; from the thread
  // that found it. `most`: how many there may be.
  explicit PolicyCache(store::Store* store,
                       std::function<void(const std::string&)> on_change = nullptr,
                       size_t most = limits::kPolicies);

  // Null: there is none, and the defaults hold.
  PolicyPointer Of(const std::string& name_space) const;
  std::vector<PolicyPointer> All() const;
  // Those with a retention.
  std::vector<PolicyPointer> WithRetention() const;
  // Whether any has pause_on_failure.
  bool AnyPausesOnFailure() const;
  // Another number after each change.
  int64_t generation() const { return generation_.load(); }

  // Sees to it that the policies are known at all: a paused namespace must not be handed out from
  // before anybody has looked. Free once they are.
  absl::Status Load();
  // Reads the policies that have changed since the last time; all of them the first time, or where
  // that is too long ago.
  absl::Status Refresh();

  // As the store's. ResourceExhausted: there are as many policies as there may be.
  absl::StatusOr<domain::Policy> Set(const domain::Policy& policy,
                                     std::optional<int64_t> revision = std::nullopt);
  absl::Status Delete(const std::string& name_space);

 private:
  using Policies = absl::flat_hash_map<std::string, PolicyPointer>;

  absl::Status ReadAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(changing_);
  // OutOfRange as the store's ListPolicyChanges.
  absl::Status ReadChanges(int64_t since) ABSL_EXCLUSIVE_LOCKS_REQUIRED(changing_);
  // Puts these in the place of what is there.
  void Replace(Policies policies);
  // Sets or, with null, removes a policy; whether that changed anything.
  bool Put(const std::string& name_space, PolicyPointer policy)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tell(const std::vector<std::string>& changed);

  store::Store* const store_;
  const std::function<void(const std::string&)> on_change_;
  const size_t most_;
  std::atomic<bool> loaded_{false};

  // Held while the store is asked or changed, so that what is read before a change does not come
  // after it.
  absl::Mutex changing_;
  std::optional<int64_t> version_ ABSL_GUARDED_BY(changing_);

  mutable absl::Mutex mutex_;
  Policies policies_ ABSL_GUARDED_BY(mutex_);
  // How many of them have pause_on_failure.
  int pausing_ ABSL_GUARDED_BY(mutex_) = 0;
  std::atomic<int64_t> generation_{0};
};

// A task that has no number of attempts of its own shows its namespace's.
void ShowMaxAttempts(domain::Task& task, const domain::Policy* policy);

}  // namespace tracker::service
