#include "src/service/give_back_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "src/base/limits.h"

namespace tracker::service {

void GiveBackQueue::Add(std::vector<domain::Task> tasks) {
  std::vector<Pending> batch;
  batch.reserve(tasks.size());
  for (domain::Task& task : tasks) {
    batch.push_back({{.key = std::move(task.key),
                      .token = std::move(task.lock),
                      .action = domain::Release{.undelivered = task.update_time}}});
  }
  Write(std::move(batch));
}

void GiveBackQueue::Retry() {
  std::vector<Pending> batch;
  {
    absl::MutexLock lock(&mutex_);
    const size_t count = std::min(pending_.size(), limits::kBatchOperations);
    std::move(pending_.begin(), pending_.begin() + static_cast<int64_t>(count),
              std::back_inserter(batch));
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<int64_t>(count));
  }
  Write(std::move(batch));
}

void GiveBackQueue::Write(std::vector<Pending> batch) {
  if (batch.empty()) return;
  std::vector<domain::Command> commands;
  commands.reserve(batch.size());
  for (const Pending& pending : batch) commands.push_back(pending.command);
  lanes_->Write(std::move(commands), {},
                [this, batch = std::move(batch)](std::vector<domain::Outcome> outcomes) mutable {
                  for (size_t i = 0; i < batch.size(); ++i) {
                    if (domain::MayPass(outcomes[i].reason)) Keep(std::move(batch[i]));
                  }
                });
}

void GiveBackQueue::Keep(Pending pending) {
  if (++pending.tries > limits::kGiveBackTries) return;
  absl::MutexLock lock(&mutex_);
  if (pending_.size() < limits::kGiveBackQueue) pending_.push_back(std::move(pending));
}

}  // namespace tracker::service
