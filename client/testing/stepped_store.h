// A store whose clock is moved in steps: between a step and the end of the leases that it ran out
// nothing is written, so that no late heartbeat gets in between and saves one. Thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "src/service/policy_cache.h"
#include "src/store/store.h"

namespace tracker::testing {

class SteppedStore final : public store::Store {
 public:
  explicit SteppedStore(std::unique_ptr<Store> store);

  // Calls `move`, which moves the store's clock, and ends all leases that are over then.
  absl::Status Step(absl::FunctionRef<void()> move);

  using Store::Apply;
  using Store::CheckCounts;
  using Store::GroupErrors;
  using Store::ListDue;
  std::vector<domain::Outcome> Apply(absl::Span<const domain::Command* const> commands,
                                     const store::ApplyOptions& options) override;
  absl::StatusOr<store::ClaimAnswer> Claim(const store::ClaimQuery& query) override;
  // All else goes straight on.
  absl::StatusOr<std::vector<bool>> HaveClaimable(
      const std::vector<std::string>& name_spaces) override {
    return store_->HaveClaimable(name_spaces);
  }
  domain::Outcome Get(const domain::TaskKey& key) override { return store_->Get(key); }
  absl::StatusOr<store::Page> List(const store::ListQuery& query) override {
    return store_->List(query);
  }
  using Store::Count;
  absl::StatusOr<store::CountPage> Count(const store::CountQuery& query) override {
    return store_->Count(query);
  }
  absl::StatusOr<std::vector<domain::TaskKey>> ListDue(const store::DueQuery& query) override {
    return store_->ListDue(query);
  }
  absl::StatusOr<store::FinishedPage> ListFinished(const store::FinishedQuery& query) override {
    return store_->ListFinished(query);
  }
  absl::StatusOr<store::ErrorGroups> GroupErrors(const store::ErrorGroupQuery& query,
                                                 const store::GoOn& go_on) override {
    return store_->GroupErrors(query, go_on);
  }
  absl::StatusOr<store::CountCheck> CheckCounts(const store::GoOn& go_on) override {
    return store_->CheckCounts(go_on);
  }
  absl::StatusOr<store::CheckReport> Check(const store::CheckOptions& options) override {
    return store_->Check(options);
  }
  absl::StatusOr<domain::Policy> SetPolicy(const domain::Policy& policy,
                                           std::optional<int64_t> revision) override {
    return store_->SetPolicy(policy, revision);
  }
  absl::StatusOr<std::optional<domain::Policy>> GetPolicy(const std::string& name_space) override {
    return store_->GetPolicy(name_space);
  }
  using Store::ListPolicies;
  absl::StatusOr<store::PolicyPage> ListPolicies(const store::PolicyQuery& query) override {
    return store_->ListPolicies(query);
  }
  absl::StatusOr<std::vector<store::PolicyChange>> ListPolicyChanges(int64_t since,
                                                                     int limit) override {
    return store_->ListPolicyChanges(since, limit);
  }
  absl::Status DeletePolicy(const std::string& name_space) override {
    return store_->DeletePolicy(name_space);
  }
  absl::StatusOr<int64_t> PolicyVersion() override { return store_->PolicyVersion(); }
  using Store::CountAttempts;
  absl::StatusOr<std::vector<store::AttemptCount>> CountAttempts(
      const std::vector<store::AttemptQuery>& queries) override {
    return store_->CountAttempts(queries);
  }
  absl::StatusOr<std::vector<std::string>> ListAttempted(const std::string& after,
                                                         int limit) override {
    return store_->ListAttempted(after, limit);
  }
  absl::Status Tidy() override { return store_->Tidy(); }
  absl::Status Vacuum(const store::GoOn& go_on) override { return store_->Vacuum(go_on); }
  absl::Status Ping() override { return store_->Ping(); }
  int WriterLanes() const override { return store_->WriterLanes(); }

 private:
  const std::unique_ptr<Store> store_;
  // By which leases end.
  service::PolicyCache policies_;
  // Shared by writes, exclusive in a step.
  absl::Mutex mutex_;
};

}  // namespace tracker::testing
