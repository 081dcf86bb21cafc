#include "src/store/sqlite/batch_rows.h"

#include <utility>

#include "src/base/limits.h"
#include "src/store/sqlite/counters.h"
#include "src/store/sqlite/task_row.h"

namespace tracker::store::sqlite {
namespace {

absl::Status WriteRow(Connection& connection, int64_t row_id, const Batch::Row& row) {
  if (row.before && row.after && !row.replaced()) {
    return UpdateTask(connection, row_id, *row.before, *row.after);
  }
  if (row.before) {
    if (absl::Status gone = DeleteTask(connection, row_id); !gone.ok()) return gone;
  }
  return row.after ? InsertTask(connection, *row.after) : absl::OkStatus();
}

}  // namespace

absl::StatusOr<bool> HasSucceeded(Connection& connection, const domain::TaskKey& key) {
  absl::StatusOr<Statement> select =
      connection.Prepare("SELECT 1 FROM task WHERE namespace = ? AND id = ? AND status = 40");
  if (!select.ok()) return select.status();
  return select->Bind(key.name_space).Bind(key.id).Step();
}

absl::StatusOr<std::vector<int64_t>> LoadBatch(Connection& connection, const Refused& refused,
                                               Batch& batch) {
  absl::StatusOr<Statement> select = SelectByKey(connection);
  if (!select.ok()) return select.status();
  std::vector<int64_t> row_ids(batch.keys().size(), 0);
  size_t bytes = 0;
  for (size_t i = 0; i < batch.keys().size(); ++i) {
    const domain::TaskKey& key = batch.keys()[i];
    if (const auto bad = refused.find(key); bad != refused.end()) {
      batch.Exclude(key, domain::Reason::kInternal, bad->second);
      continue;
    }
    select->Reuse().Bind(key.name_space).Bind(key.id);
    const absl::StatusOr<bool> row = select->Step();
    if (!row.ok()) return row.status();
    if (!*row) continue;
    absl::StatusOr<domain::Task> task = ReadTask(*select);
    if (!task.ok()) {
      batch.Exclude(key, domain::Reason::kInternal, std::string(task.status().message()));
      continue;
    }
    row_ids[i] = ReadRowId(*select);
    const size_t size = domain::ByteSize(*task);
    if (size > limits::kSmallDocuments && !batch.WantsDocuments(i)) {
      task->data = std::string();
      task->errors = std::vector<domain::TaskError>();
      task->documents_left_out = true;
    } else if (bytes > limits::kLaneBatchBytes) {
      batch.Exclude(key, domain::Reason::kDeferred, "the transaction is full");
      continue;
    } else {
      bytes += size;
    }
    batch.Load(*std::move(task));
  }
  if (absl::Status status = LoadPrerequisites(connection, batch); !status.ok()) return status;
  return row_ids;
}

absl::Status LoadPrerequisites(Connection& connection, Batch& batch) {
  for (const domain::TaskKey& key : batch.prerequisites()) {
    const absl::StatusOr<bool> succeeded = HasSucceeded(connection, key);
    if (!succeeded.ok()) return succeeded.status();
    if (*succeeded) batch.LoadSucceeded(key);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> WriteBatch(Connection& connection, const Batch& batch,
                                const std::vector<int64_t>& row_ids, absl::Time now,
                                Refused& refused) {
  bool changed = false;
  for (size_t i = 0; i < batch.rows().size(); ++i) {
    const Batch::Row& row = batch.rows()[i];
    if (!row.changed) continue;
    changed = true;
    const absl::Status status = WriteRow(connection, row_ids[i], row);
    if (absl::IsInvalidArgument(status)) {
      refused.emplace(batch.keys()[i], std::string(status.message()));
    }
    if (!status.ok()) return status;
  }
  if (!changed) return false;
  if (absl::Status status = AddCounts(connection, batch.Deltas()); !status.ok()) return status;
  absl::Status status = AddAttempts(connection, batch.attempts(), now);
  if (!status.ok()) return status;
  return true;
}

}  // namespace tracker::store::sqlite
