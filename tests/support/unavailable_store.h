// A store whose database is away: every method answers Unavailable. Fakes override what they have.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "src/store/store.h"

namespace tracker::testing {

class UnavailableStore : public store::Store {
 public:
  using Store::Apply;
  using Store::CheckCounts;
  using Store::GroupErrors;
  using Store::ListDue;
  std::vector<domain::Outcome> Apply(absl::Span<const domain::Command* const> commands,
                                     const store::ApplyOptions&) override {
    return std::vector<domain::Outcome>(
        commands.size(), domain::Outcome{.reason = domain::Reason::kStoreUnavailable});
  }
  absl::StatusOr<store::ClaimAnswer> Claim(const store::ClaimQuery&) override { return Gone(); }
  absl::StatusOr<std::vector<bool>> HaveClaimable(const std::vector<std::string>&) override {
    return Gone();
  }
  domain::Outcome Get(const domain::TaskKey&) override {
    return {.reason = domain::Reason::kStoreUnavailable};
  }
  absl::StatusOr<store::Page> List(const store::ListQuery&) override { return Gone(); }
  using Store::Count;
  absl::StatusOr<store::CountPage> Count(const store::CountQuery&) override { return Gone(); }
  absl::StatusOr<std::vector<domain::TaskKey>> ListDue(const store::DueQuery&) override {
    return Gone();
  }
  absl::StatusOr<store::FinishedPage> ListFinished(const store::FinishedQuery&) override {
    return Gone();
  }
  absl::StatusOr<store::ErrorGroups> GroupErrors(const store::ErrorGroupQuery&,
                                                 const store::GoOn&) override {
    return Gone();
  }
  absl::StatusOr<store::CountCheck> CheckCounts(const store::GoOn&) override { return Gone(); }
  absl::StatusOr<store::CheckReport> Check(const store::CheckOptions&) override { return Gone(); }
  absl::StatusOr<domain::Policy> SetPolicy(const domain::Policy&, std::optional<int64_t>) override {
    return Gone();
  }
  absl::StatusOr<std::optional<domain::Policy>> GetPolicy(const std::string&) override {
    return Gone();
  }
  using Store::ListPolicies;
  absl::StatusOr<store::PolicyPage> ListPolicies(const store::PolicyQuery&) override {
    return Gone();
  }
  absl::StatusOr<std::vector<store::PolicyChange>> ListPolicyChanges(int64_t, int) override {
    return Gone();
  }
  absl::Status DeletePolicy(const std::string&) override { return Gone(); }
  absl::StatusOr<int64_t> PolicyVersion() override { return Gone(); }
  using Store::CountAttempts;
  absl::StatusOr<std::vector<store::AttemptCount>> CountAttempts(
      const std::vector<store::AttemptQuery>&) override {
    return Gone();
  }
  absl::StatusOr<std::vector<std::string>> ListAttempted(const std::string&, int) override {
    return Gone();
  }
  absl::Status Tidy() override { return Gone(); }
  absl::Status Vacuum(const store::GoOn&) override { return Gone(); }
  absl::Status Ping() override { return Gone(); }
  int WriterLanes() const override { return 1; }

 protected:
  static absl::Status Gone() { return absl::UnavailableError("the database is gone"); }
};

}  // namespace tracker::testing
