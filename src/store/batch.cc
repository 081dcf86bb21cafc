#include "src/store/batch.h"

#include <algorithm>

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
  wants_documents_.resize(keys_.size(), false);
  for (const Command* command : commands) {
    if (command->wants_documents || domain::NeedsErrors(command->action)) {
      wants_documents_[IndexOf(command->key)] = true;
    }
    const auto* start = std::get_if<domain::Start>(&command->action);
    if (start == nullptr) continue;
    for (const std::string& name_space : start->after) {
      TaskKey key{name_space, command->key.id};
      if (!std::binary_search(keys_.begin(), keys_.end(), key)) {
        prerequisites_.push_back(std::move(key));
      }
    }
  }
  std::sort(prerequisites_.begin(), prerequisites_.end());
  prerequisites_.erase(std::unique(prerequisites_.begin(), prerequisites_.end()),
                       prerequisites_.end());
}

size_t Batch::IndexOf(const TaskKey& key) const {
  return std::lower_bound(keys_.begin(), keys_.end(), key) - keys_.begin();
}

void Batch::Load(Task task, std::string place) {
  Row& row = rows_[IndexOf(task.key)];
  row.before = std::move(task);
  row.place = std::move(place);
}

std::vector<TaskKey> Batch::WantedDocuments() const {
  std::vector<TaskKey> wanted;
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (!wants_documents_[i] || !rows_[i].before || !rows_[i].before->documents_left_out) continue;
    wanted.push_back(keys_[i]);
  }
  return wanted;
}

void Batch::LoadDocuments(const TaskKey& key, std::string data,
                          std::vector<domain::TaskError> errors) {
  Task& task = *rows_[IndexOf(key)].before;
  task.data = std::move(data);
  task.errors = std::move(errors);
  task.documents_left_out = false;
}

bool Batch::changed() const {
  return std::any_of(rows_.begin(), rows_.end(), [](const Row& row) { return row.changed; });
}

void Batch::LoadSucceeded(const TaskKey& key) { succeeded_.insert(key); }

std::vector<std::string> Batch::Unmet(const Command& command) const {
  std::vector<std::string> unmet;
  const auto* start = std::get_if<domain::Start>(&command.action);
  if (start == nullptr) return unmet;
  for (const std::string& name_space : start->after) {
    const TaskKey key{name_space, command.key.id};
    const auto row = std::lower_bound(keys_.begin(), keys_.end(), key);
    // A task of this very batch is as the commands before have left it.
    const bool met =
        row != keys_.end() && *row == key
            ? rows_[row - keys_.begin()].after.has_value() &&
                  rows_[row - keys_.begin()].after->status == domain::Status::kSucceeded
            : succeeded_.contains(key);
    if (!met) unmet.push_back(name_space);
  }
  return unmet;
}

void Batch::CountAttempt(const Command& command, domain::AttemptEnd ended) {
  if (ended == domain::AttemptEnd::kNone) return;
  if (!command.policy || !command.policy->pause_on_failure) return;
  AttemptCount& count = attempts_[command.key.name_space];
  count.ended += 1;
  count.failed += ended == domain::AttemptEnd::kWentWrong ? 1 : 0;
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
    Row& row = rows_[index];
    domain::Transition transition = domain::Apply(row.after, *command, now, Unmet(*command));
    row.changed |= transition.changed;
    CountAttempt(*command, transition.ended);
    Outcome& outcome = outcomes_.emplace_back(std::move(transition.outcome));
    if (outcome.task && outcome.task->documents_left_out) {
      // Also what this batch has put in place of them: half of the documents would be misleading.
      outcome.task->data.clear();
      outcome.task->errors.clear();
      outcome.truncated = outcome.ok();
    }
  }
  // Created and deleted in one batch: nothing to write.
  for (Row& row : rows_) row.changed &= row.before.has_value() || row.after.has_value();
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
