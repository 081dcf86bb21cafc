#include "client/testing/stepped_store.h"

#include <utility>

#include "src/base/limits.h"
#include "src/service/reaper.h"

namespace tracker::testing {

SteppedStore::SteppedStore(std::unique_ptr<Store> store) : store_(std::move(store)) {}

absl::Status SteppedStore::Step(absl::FunctionRef<void()> move) {
  absl::MutexLock lock(&mutex_);
  move();
  for (;;) {
    const absl::StatusOr<int> ended = service::ReapOnce(*store_, limits::kReapBatch);
    if (!ended.ok()) return ended.status();
    if (*ended == 0) return absl::OkStatus();
  }
}

std::vector<domain::Outcome> SteppedStore::Apply(
    absl::Span<const domain::Command* const> commands) {
  absl::ReaderMutexLock lock(&mutex_);
  return store_->Apply(commands);
}

domain::Outcome SteppedStore::Get(const domain::TaskKey& key) { return store_->Get(key); }

absl::StatusOr<store::Page> SteppedStore::List(const store::ListQuery& query) {
  return store_->List(query);
}

absl::StatusOr<std::vector<store::StatusCount>> SteppedStore::Count(const std::string& name_space) {
  return store_->Count(name_space);
}

absl::StatusOr<std::vector<domain::TaskKey>> SteppedStore::ListExpired(int limit) {
  return store_->ListExpired(limit);
}

absl::Status SteppedStore::FoldCounts() { return store_->FoldCounts(); }

absl::Status SteppedStore::Ping() { return store_->Ping(); }

int SteppedStore::WriterLanes() const { return store_->WriterLanes(); }

}  // namespace tracker::testing
