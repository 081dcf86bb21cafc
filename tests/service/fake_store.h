// A store in memory that waits, or fails, on command. Thread-safe.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "src/store/batch.h"
#include "src/store/store.h"
#include "tests/support/unavailable_store.h"

namespace tracker::testing {

class FakeStore : public UnavailableStore {
 public:
  // What a test keeps of the store when a Tracker owns it.
  struct Control {
    absl::Mutex mutex;
    // Apply and Get wait while this is set.
    bool hold = false;
    // Apply and all reads answer as if the database were away.
    bool away = false;
    // The commands of each Apply, by id.
    std::vector<std::vector<std::string>> batches;
    int applying = 0;
    absl::Time now = absl::FromUnixSeconds(1'000'000);
    std::map<domain::TaskKey, domain::Task> tasks;

    void Hold(bool on) {
      absl::MutexLock lock(&mutex);
      hold = on;
    }
    void Away(bool on) {
      absl::MutexLock lock(&mutex);
      away = on;
    }
    // Waits until an Apply is held.
    void AwaitHeld() {
      absl::MutexLock lock(&mutex);
      mutex.Await(absl::Condition(
          +[](int* applying) { return *applying > 0; }, &applying));
    }
    std::vector<std::vector<std::string>> Batches() {
      absl::MutexLock lock(&mutex);
      return batches;
    }
  };

  explicit FakeStore(std::shared_ptr<Control> control) : control_(std::move(control)) {}

  using Store::Apply;
  std::vector<domain::Outcome> Apply(absl::Span<const domain::Command* const> commands,
                                     const store::ApplyOptions&) override {
    absl::MutexLock lock(&control_->mutex);
    ++control_->applying;
    control_->mutex.Await(absl::Condition(
        +[](bool* hold) { return !*hold; }, &control_->hold));
    --control_->applying;
    if (control_->away) {
      return std::vector<domain::Outcome>(
          commands.size(), domain::Outcome{.reason = domain::Reason::kStoreUnavailable});
    }
    std::vector<std::string> ids;
    for (const domain::Command* command : commands) ids.push_back(command->key.id);
    control_->batches.push_back(std::move(ids));
    store::Batch batch(commands);
    for (const domain::TaskKey& key : batch.keys()) {
      if (const auto task = control_->tasks.find(key); task != control_->tasks.end()) {
        batch.Load(task->second);
      }
    }
    batch.Run(control_->now);
    for (size_t i = 0; i < batch.keys().size(); ++i) {
      if (!batch.rows()[i].changed) continue;
      control_->tasks.erase(batch.keys()[i]);
      if (batch.rows()[i].after) control_->tasks.emplace(batch.keys()[i], *batch.rows()[i].after);
    }
    return batch.TakeOutcomes();
  }
  domain::Outcome Get(const domain::TaskKey& key) override {
    absl::MutexLock lock(&control_->mutex);
    control_->mutex.Await(absl::Condition(
        +[](bool* hold) { return !*hold; }, &control_->hold));
    if (control_->away) return {.reason = domain::Reason::kStoreUnavailable};
    const auto task = control_->tasks.find(key);
    if (task == control_->tasks.end()) return {.reason = domain::Reason::kTaskNotFound};
    return {.task = task->second, .now = control_->now};
  }
  absl::StatusOr<store::Page> List(const store::ListQuery& query) override {
    absl::MutexLock lock(&control_->mutex);
    if (control_->away) return absl::UnavailableError("away");
    store::Page page{.now = control_->now};
    for (const auto& [key, task] : control_->tasks) {
      if (query.after && key.id <= query.after->id) continue;
      if (static_cast<int>(page.tasks.size()) == query.limit) {
        page.next = store::Cursor{page.tasks.back().create_time, page.tasks.back().key.id};
        break;
      }
      page.tasks.push_back(task);
    }
    return page;
  }
  absl::StatusOr<std::vector<store::StatusCount>> Count(const std::string&) override {
    absl::MutexLock lock(&control_->mutex);
    if (control_->away) return absl::UnavailableError("away");
    return std::vector<store::StatusCount>{};
  }
  absl::StatusOr<std::vector<domain::TaskKey>> ListDue(int limit) override {
    absl::MutexLock lock(&control_->mutex);
    if (control_->away) return absl::UnavailableError("away");
    std::vector<domain::TaskKey> keys;
    for (const auto& [key, task] : control_->tasks) {
      const bool over =
          task.status == domain::Status::kInProgress && task.lock_expire_time <= control_->now;
      if (over && static_cast<int>(keys.size()) < limit) keys.push_back(key);
    }
    return keys;
  }
  absl::Status Tidy() override { return absl::OkStatus(); }
  absl::Status Ping() override {
    absl::MutexLock lock(&control_->mutex);
    return control_->away ? absl::UnavailableError("away") : absl::OkStatus();
  }
  int WriterLanes() const override { return 2; }

 private:
  const std::shared_ptr<Control> control_;
};

}  // namespace tracker::testing
