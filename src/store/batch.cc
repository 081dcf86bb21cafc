#include "src/store/batch.h"

#include <algorithm>

#include "src/domain/transition.h"

namespace tracker::store {

using domain::Command;
using domain::Outcome;
using domain::Task;
using domain::TaskKey;

Batch::Batch(absl::Span<const Command* const> commands) : commands_(commands) {
  keys_.reserve(commands.size());
  for (const Command* command : commands) keys_.push_back(command->key);
  std::sort(keys_.begin(), keys_.end());
  keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
  rows_.resize(keys_.size());
}

size_t Batch::IndexOf(const TaskKey& key) const {
  return std::lower_bound(keys_.begin(), keys_.end(), key) - keys_.begin();
}

void Batch::Load(Task task) {
  Row& row = rows_[IndexOf(task.key)];
  row.before = std::move(task);
}

void Batch::Exclude(const TaskKey& key, domain::Reason reason, std::string message) {
  excluded_[IndexOf(key)] = {reason, std::move(message)};
}

void Batch::Run(absl::Time now) {
  for (Row& row : rows_) row.after = row.before;
  outcomes_.reserve(commands_.size());
  for (const Command* command : commands_) {
    const size_t index = IndexOf(command->key);
    if (const auto excluded = excluded_.find(index); excluded != excluded_.end()) {
      outcomes_.push_back(
          {.reason = excluded->second.reason, .message = excluded->second.message, .now = now});
      continue;
    }
    domain::Transition transition = domain::Apply(rows_[index].after, *command, now);
    rows_[index].changed |= transition.changed;
    outcomes_.push_back(std::move(transition.outcome));
  }
  // Created and deleted in one batch: nothing to write.
  for (Row& row : rows_) row.changed &= row.before.has_value() || row.after.has_value();
}

void Batch::ForgiveRepeatedDeletes() {
  for (size_t i = 0; i < commands_.size(); ++i) {
    Outcome& outcome = outcomes_[i];
    if (outcome.reason != domain::Reason::kTaskNotFound) continue;
    if (!std::holds_alternative<domain::Delete>(commands_[i]->action)) continue;
    outcome.reason = domain::Reason::kOk;
    outcome.message.clear();
    outcome.task = Task{.key = commands_[i]->key};
  }
}

Batch::CountDeltas Batch::Deltas() const {
  CountDeltas deltas;
  for (const Row& row : rows_) {
    if (!row.changed) continue;
    if (row.before) deltas[{row.before->key.name_space, row.before->status}] -= 1;
    if (row.after) deltas[{row.after->key.name_space, row.after->status}] += 1;
  }
  std::erase_if(deltas, [](const auto& delta) { return delta.second == 0; });
  return deltas;
}

}  // namespace tracker::store
