#include "src/store/postgres/batch_commit.h"

#include <iterator>
#include <utility>

#include "src/store/postgres/entries.h"
#include "src/store/postgres/statements.h"

namespace tracker::store::postgres {
namespace {

using domain::TaskKey;

struct Changes {
  std::vector<const Batch::Row*> inserts, updates;
  std::vector<TaskKey> deletes;
};

Changes ChangesOf(const Batch& batch) {
  Changes changes;
  for (size_t i = 0; i < batch.rows().size(); ++i) {
    const Batch::Row& row = batch.rows()[i];
    if (!row.changed) continue;
    if (row.before && row.after && !row.replaced()) {
      changes.updates.push_back(&row);
      continue;
    }
    if (row.before) changes.deletes.push_back(batch.keys()[i]);
    if (row.after) changes.inserts.push_back(&row);
  }
  return changes;
}

}  // namespace

absl::Status WriteAndCommit(Connection& connection, int bucket, const Batch& batch, absl::Time now,
                            Progress* progress, std::vector<StatementCall> more) {
  const Changes changes = ChangesOf(batch);
  // Before the inserts, one of which may be of the same name.
  for (const StatementCall& call : DeleteCalls(bucket, changes.deletes)) {
    absl::StatusOr<Rows> gone = connection.Execute(call);
    if (!gone.ok()) return gone.status();
  }
  if (!changes.inserts.empty()) {
    progress->inserting = true;
    absl::StatusOr<Rows> made = connection.Execute(InsertCall(bucket, changes.inserts));
    if (!made.ok()) return made.status();
    progress->inserting = false;
    progress->transaction = std::string(made->Text(0, 1));
    if (made->Int(0, 0) != static_cast<int64_t>(changes.inserts.size())) {
      return absl::AbortedError("another transaction inserted the row");
    }
  }
  std::vector<StatementCall> last = UpdateCalls(bucket, changes.updates);
  for (StatementCall& call : EntryCalls(bucket, batch)) last.push_back(std::move(call));
  const Batch::CountDeltas deltas = batch.Deltas();
  if (!deltas.empty()) last.push_back({kAddCounts, CountValues(bucket, deltas)});
  if (!batch.attempts().empty()) {
    last.push_back({kAddAttempts, AttemptValues(bucket, batch.attempts(), now)});
  }
  std::move(more.begin(), more.end(), std::back_inserter(last));
  return connection.Commit(last);
}

}  // namespace tracker::store::postgres
