#include "src/service/policy_cache.h"

#include <utility>

#include "src/domain/transition.h"

namespace tracker::service {

using domain::Policy;

PolicyCache::PolicyCache(store::Store* store, std::function<void(const std::string&)> on_change)
    : store_(store), on_change_(std::move(on_change)) {}

PolicyCache::PolicyPointer PolicyCache::Of(const std::string& name_space) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto found = policies_.find(name_space);
  return found == policies_.end() ? nullptr : found->second;
}

std::vector<PolicyCache::PolicyPointer> PolicyCache::All() const {
  absl::ReaderMutexLock lock(&mutex_);
  std::vector<PolicyPointer> all;
  all.reserve(policies_.size());
  for (const auto& [name_space, policy] : policies_) all.push_back(policy);
  return all;
}

absl::Status PolicyCache::Load() {
  return loaded_.load(std::memory_order_acquire) ? absl::OkStatus() : Refresh();
}

absl::Status PolicyCache::Refresh() {
  absl::MutexLock lock(&changing_);
  // The version first: what changes after it is found the next time, though it may be read now.
  const absl::StatusOr<int64_t> version = store_->PolicyVersion();
  if (!version.ok()) return version.status();
  if (version_ == *version) return absl::OkStatus();
  absl::StatusOr<std::vector<Policy>> read = store_->ListPolicies();
  if (!read.ok()) return read.status();
  Policies policies;
  for (Policy& policy : *read) {
    std::string name_space = policy.name_space;
    policies.emplace(std::move(name_space), std::make_shared<const Policy>(std::move(policy)));
  }
  Replace(std::move(policies));
  version_ = *version;
  loaded_.store(true, std::memory_order_release);
  return absl::OkStatus();
}

void PolicyCache::Replace(Policies policies) {
  std::vector<std::string> changed;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [name_space, policy] : policies) {
      const auto before = policies_.find(name_space);
      if (before == policies_.end() || *before->second != *policy) changed.push_back(name_space);
    }
    for (const auto& [name_space, policy] : policies_) {
      if (!policies.contains(name_space)) changed.push_back(name_space);
    }
    policies_ = std::move(policies);
  }
  Tell(changed);
}

void PolicyCache::Tell(const std::vector<std::string>& changed) {
  if (!on_change_) return;
  for (const std::string& name_space : changed) on_change_(name_space);
}

absl::StatusOr<Policy> PolicyCache::Set(const Policy& policy, std::optional<int64_t> revision) {
  absl::MutexLock changing(&changing_);
  absl::StatusOr<Policy> stored = store_->SetPolicy(policy, revision);
  if (!stored.ok()) return stored;
  {
    absl::MutexLock lock(&mutex_);
    policies_[policy.name_space] = std::make_shared<const Policy>(*stored);
  }
  Tell({policy.name_space});
  return stored;
}

absl::Status PolicyCache::Delete(const std::string& name_space) {
  absl::MutexLock changing(&changing_);
  if (absl::Status status = store_->DeletePolicy(name_space); !status.ok()) return status;
  {
    absl::MutexLock lock(&mutex_);
    policies_.erase(name_space);
  }
  Tell({name_space});
  return absl::OkStatus();
}

void ShowMaxAttempts(domain::Task& task, const Policy* policy) {
  static const Policy kDefaults;
  task.max_attempts = domain::EffectiveMaxAttempts(task, policy != nullptr ? *policy : kDefaults);
}

}  // namespace tracker::service
