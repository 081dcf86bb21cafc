// A store whose clock is moved in steps: between a step and the end of the leases that it ran out
// nothing is written, so that no late heartbeat gets in between and saves one. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "src/store/store.h"

namespace tracker::testing {

class SteppedStore final : public store::Store {
 public:
  explicit SteppedStore(std::unique_ptr<Store> store);

  // Calls `move`, which moves the store's clock, and ends all leases that are over then.
  absl::Status Step(absl::FunctionRef<void()> move);

  std::vector<domain::Outcome> Apply(absl::Span<const domain::Command* const> commands) override;
  // All else goes straight on.
  domain::Outcome Get(const domain::TaskKey& key) override;
  absl::StatusOr<store::Page> List(const store::ListQuery& query) override;
  absl::StatusOr<std::vector<store::StatusCount>> Count(const std::string& name_space) override;
  absl::StatusOr<std::vector<domain::TaskKey>> ListExpired(int limit) override;
  absl::Status FoldCounts() override;
  absl::Status Ping() override;
  int WriterLanes() const override;

 private:
  const std::unique_ptr<Store> store_;
  // Shared by writes, exclusive in a step.
  absl::Mutex mutex_;
};

}  // namespace tracker::testing
