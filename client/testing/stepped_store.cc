#include "client/testing/stepped_store.h"

#include <utility>

#include "src/base/limits.h"
#include "src/service/reaper.h"

namespace tracker::testing {

SteppedStore::SteppedStore(std::unique_ptr<Store> store)
    : store_(std::move(store)), policies_(store_.get()) {}

absl::Status SteppedStore::Step(absl::FunctionRef<void()> move) {
  absl::MutexLock lock(&mutex_);
  move();
  if (absl::Status status = policies_.Refresh(); !status.ok()) return status;
  const service::ReaperOptions options = {
      .policy_of = [this](const std::string& name_space) { return policies_.Of(name_space); }};
  for (;;) {
    const absl::StatusOr<int> ended = service::ReapOnce(*store_, limits::kReapBatch, options);
    if (!ended.ok()) return ended.status();
    if (*ended == 0) return absl::OkStatus();
  }
}

std::vector<domain::Outcome> SteppedStore::Apply(absl::Span<const domain::Command* const> commands,
                                                 const store::ApplyOptions& options) {
  absl::ReaderMutexLock lock(&mutex_);
  return store_->Apply(commands, options);
}

absl::StatusOr<store::ClaimAnswer> SteppedStore::Claim(const store::ClaimQuery& query) {
  absl::ReaderMutexLock lock(&mutex_);
  return store_->Claim(query);
}

}  // namespace tracker::testing
