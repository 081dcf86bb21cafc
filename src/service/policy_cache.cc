#include "src/service/policy_cache.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "src/domain/transition.h"

namespace tracker::service {

using domain::Policy;

PolicyCache::PolicyCache(store::Store* store, std::function<void(const std::string&)> on_change,
                         size_t most)
    : store_(store), on_change_(std::move(on_change)), most_(most) {}

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

std::vector<PolicyCache::PolicyPointer> PolicyCache::WithRetention() const {
  absl::ReaderMutexLock lock(&mutex_);
  std::vector<PolicyPointer> retained;
  for (const auto& [name_space, policy] : policies_) {
    if (policy->retention) retained.push_back(policy);
  }
  return retained;
}

bool PolicyCache::AnyPausesOnFailure() const {
  absl::ReaderMutexLock lock(&mutex_);
  return pausing_ > 0;
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
  // A version from before: the database was restored.
  const bool known = version_ && *version_ < *version;
  absl::Status status = known ? ReadChanges(*version_) : ReadAll();
  if (absl::IsOutOfRange(status)) status = ReadAll();
  if (!status.ok()) return status;
  version_ = *version;
  loaded_.store(true, std::memory_order_release);
  return absl::OkStatus();
}

absl::Status PolicyCache::ReadAll() {
  Policies policies;
  store::PolicyQuery query;
  do {
    absl::StatusOr<store::PolicyPage> page = store_->ListPolicies(query);
    if (!page.ok()) return page.status();
    for (Policy& policy : page->policies) {
      std::string name_space = policy.name_space;
      policies.emplace(std::move(name_space), std::make_shared<const Policy>(std::move(policy)));
    }
    query.after = std::move(page->next);
  } while (!query.after.empty());
  Replace(std::move(policies));
  return absl::OkStatus();
}

absl::Status PolicyCache::ReadChanges(int64_t since) {
  while (true) {
    absl::StatusOr<std::vector<store::PolicyChange>> changes =
        store_->ListPolicyChanges(since, limits::kNamePageSize);
    if (!changes.ok()) return changes.status();
    std::vector<std::string> changed;
    {
      absl::MutexLock lock(&mutex_);
      for (store::PolicyChange& change : *changes) {
        since = change.revision;
        PolicyPointer policy;
        if (change.policy) policy = std::make_shared<const Policy>(*std::move(change.policy));
        if (Put(change.name_space, std::move(policy))) changed.push_back(change.name_space);
      }
    }
    Tell(changed);
    if (static_cast<int>(changes->size()) < limits::kNamePageSize) return absl::OkStatus();
  }
}

bool PolicyCache::Put(const std::string& name_space, PolicyPointer policy) {
  const auto before = policies_.find(name_space);
  const bool known = before != policies_.end();
  if (!known && !policy) return false;
  if (known && policy && *before->second == *policy) return false;
  if (known && before->second->pause_on_failure) --pausing_;
  if (policy && policy->pause_on_failure) ++pausing_;
  if (!policy) {
    policies_.erase(before);
  } else {
    policies_[name_space] = std::move(policy);
  }
  ++generation_;
  return true;
}

void PolicyCache::Replace(Policies policies) {
  std::vector<std::string> changed;
  {
    absl::MutexLock lock(&mutex_);
    std::vector<std::string> gone;
    for (const auto& [name_space, policy] : policies_) {
      if (!policies.contains(name_space)) gone.push_back(name_space);
    }
    for (const std::string& name_space : gone) Put(name_space, nullptr);
    for (auto& [name_space, policy] : policies) {
      if (Put(name_space, std::move(policy))) changed.push_back(name_space);
    }
    changed.insert(changed.end(), gone.begin(), gone.end());
  }
  Tell(changed);
}

void PolicyCache::Tell(const std::vector<std::string>& changed) {
  if (!on_change_) return;
  for (const std::string& name_space : changed) on_change_(name_space);
}

absl::StatusOr<Policy> PolicyCache::Set(const Policy& policy, std::optional<int64_t> revision) {
  absl::MutexLock changing(&changing_);
  {
    absl::ReaderMutexLock lock(&mutex_);
    if (policies_.size() >= most_ && !policies_.contains(policy.name_space)) {
      return absl::ResourceExhaustedError(
          absl::StrCat("there are ", most_, " policies already; delete some"));
    }
  }
  absl::StatusOr<Policy> stored = store_->SetPolicy(policy, revision);
  if (!stored.ok()) return stored;
  {
    absl::MutexLock lock(&mutex_);
    Put(policy.name_space, std::make_shared<const Policy>(*stored));
  }
  Tell({policy.name_space});
  return stored;
}

absl::Status PolicyCache::Delete(const std::string& name_space) {
  absl::MutexLock changing(&changing_);
  if (absl::Status status = store_->DeletePolicy(name_space); !status.ok()) return status;
  {
    absl::MutexLock lock(&mutex_);
    Put(name_space, nullptr);
  }
  Tell({name_space});
  return absl::OkStatus();
}

void ShowMaxAttempts(domain::Task& task, const Policy* policy) {
  static const Policy kDefaults;
  task.max_attempts = domain::EffectiveMaxAttempts(task, policy != nullptr ? *policy : kDefaults);
}

}  // namespace tracker::service
