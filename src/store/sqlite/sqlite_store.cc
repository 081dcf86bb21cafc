#include "src/store/sqlite/sqlite_store.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "src/store/batch.h"
#include "src/store/sqlite/database.h"
#include "src/store/sqlite/list_query.h"
#include "src/store/sqlite/open_file.h"
#include "src/store/sqlite/task_row.h"

namespace tracker::store {
namespace {

using domain::Command;
using domain::Outcome;
using domain::Reason;
using domain::Task;
using domain::TaskKey;
using sqlite::Connection;
using sqlite::Statement;
using sqlite::Transaction;

// The rows that the database refuses, and why.
using Refused = std::map<TaskKey, std::string>;

// The connections for reading, of which each belongs to one call at a time. Thread-safe.
class ReaderPool {
 public:
  explicit ReaderPool(std::vector<std::unique_ptr<Connection>> connections)
      : free_(std::move(connections)) {}

  class Lease {
   public:
    explicit Lease(ReaderPool& pool) : pool_(pool), connection_(pool.Take()) {}
    ~Lease() { pool_.Give(std::move(connection_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Connection& operator*() { return *connection_; }
    Connection* operator->() { return connection_.get(); }

   private:
    ReaderPool& pool_;
    std::unique_ptr<Connection> connection_;
  };

 private:
  std::unique_ptr<Connection> Take() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](ReaderPool* pool) ABSL_NO_THREAD_SAFETY_ANALYSIS { return !pool->free_.empty(); },
        this));
    std::unique_ptr<Connection> connection = std::move(free_.back());
    free_.pop_back();
    return connection;
  }
  void Give(std::unique_ptr<Connection> connection) {
    absl::MutexLock lock(&mutex_);
    free_.push_back(std::move(connection));
  }

  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Connection>> free_ ABSL_GUARDED_BY(mutex_);
};

class SqliteStore : public Store {
 public:
  SqliteStore(std::unique_ptr<Connection> writer, std::vector<std::unique_ptr<Connection>> readers,
              std::function<absl::Duration()> clock_offset)
      : clock_offset_(std::move(clock_offset)),
        writer_(std::move(writer)),
        readers_(std::move(readers)) {}

  using Store::Apply;
  std::vector<Outcome> Apply(absl::Span<const Command* const> commands,
                             const ApplyOptions& options) override;

  absl::StatusOr<ClaimAnswer> Claim(const ClaimQuery&) override { return Missing(); }
  absl::StatusOr<std::vector<bool>> HaveClaimable(const std::vector<std::string>&) override {
    return Missing();
  }
  absl::StatusOr<FinishedPage> ListFinished(const FinishedQuery&) override { return Missing(); }
  absl::StatusOr<ErrorGroups> GroupErrors(const ErrorGroupQuery&) override { return Missing(); }
  absl::StatusOr<CountCheck> CheckCounts() override { return Missing(); }
  absl::StatusOr<domain::Policy> SetPolicy(const domain::Policy&, std::optional<int64_t>) override {
    return Missing();
  }
  absl::StatusOr<std::optional<domain::Policy>> GetPolicy(const std::string&) override {
    return Missing();
  }
  absl::StatusOr<std::vector<domain::Policy>> ListPolicies() override { return Missing(); }
  absl::Status DeletePolicy(const std::string&) override { return Missing(); }
  absl::StatusOr<int64_t> PolicyVersion() override { return Missing(); }
  absl::StatusOr<AttemptCount> CountAttempts(const std::string&, absl::Duration,
                                             absl::Time) override {
    return Missing();
  }
  static absl::Status Missing() { return absl::UnimplementedError("not made yet"); }
  Outcome Get(const TaskKey& key) override;
  absl::StatusOr<Page> List(const ListQuery& query) override;
  absl::StatusOr<std::vector<StatusCount>> Count(const std::string& name_space) override;
  absl::StatusOr<std::vector<TaskKey>> ListDue(int limit) override;
  // A commit updates the counters themselves: there is one writer at a time anyway.
  absl::Status Tidy() override { return absl::OkStatus(); }
  absl::Status Ping() override;
  // SQLite has one writer.
  int WriterLanes() const override { return 1; }

 private:
  absl::Time Now() const;
  absl::StatusOr<std::vector<Outcome>> TryApply(absl::Span<const Command* const> commands,
                                                Refused& refused)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::function<absl::Duration()> clock_offset_;
  absl::Mutex mutex_;
  const std::unique_ptr<Connection> writer_ ABSL_PT_GUARDED_BY(mutex_);
  ReaderPool readers_;
};

// The machine's clock is the database's: all who open the file are on this machine.
absl::Time SqliteStore::Now() const {
  const absl::Time now = clock_offset_ ? absl::Now() + clock_offset_() : absl::Now();
  return absl::FromUnixMicros(absl::ToUnixMicros(now));
}

const std::string& SelectByKey() {
  static const std::string kSql =
      absl::StrCat("SELECT ", sqlite::kTaskColumns, " FROM task WHERE namespace = ? AND id = ?");
  return kSql;
}

// Gives `batch` what there is of its tasks, and returns their row ids (0: none), as keys().
absl::StatusOr<std::vector<int64_t>> Load(Connection& connection, const Refused& refused,
                                          Batch& batch) {
  absl::StatusOr<Statement> select = connection.Prepare(SelectByKey());
  if (!select.ok()) return select.status();
  std::vector<int64_t> row_ids(batch.keys().size(), 0);
  for (size_t i = 0; i < batch.keys().size(); ++i) {
    const TaskKey& key = batch.keys()[i];
    if (const auto bad = refused.find(key); bad != refused.end()) {
      batch.Exclude(key, Reason::kInternal, bad->second);
      continue;
    }
    select->Reuse().Bind(key.name_space).Bind(key.id);
    const absl::StatusOr<bool> row = select->Step();
    if (!row.ok()) return row.status();
    if (!*row) continue;
    absl::StatusOr<Task> task = sqlite::ReadTask(*select);
    if (!task.ok()) {
      batch.Exclude(key, Reason::kInternal, std::string(task.status().message()));
      continue;
    }
    row_ids[i] = sqlite::ReadRowId(*select);
    batch.Load(*std::move(task));
  }
  return row_ids;
}

absl::Status WriteRow(Connection& connection, int64_t row_id, const Batch::Row& row) {
  if (row.before && row.after && !row.replaced()) {
    return sqlite::UpdateTask(connection, row_id, *row.after);
  }
  if (row.before) {
    if (absl::Status gone = sqlite::DeleteTask(connection, row_id); !gone.ok()) return gone;
  }
  return row.after ? sqlite::InsertTask(connection, *row.after) : absl::OkStatus();
}

absl::Status AddCounts(Connection& connection, const Batch::CountDeltas& deltas) {
  absl::StatusOr<Statement> add = connection.Prepare(
      "INSERT INTO task_count (namespace, status, n) VALUES (?, ?, ?) "
      "ON CONFLICT (namespace, status) DO UPDATE SET n = n + excluded.n");
  if (!add.ok()) return add.status();
  for (const auto& [key, delta] : deltas) {
    const absl::Status status =
        add->Reuse().Bind(key.first).Bind(static_cast<int64_t>(key.second)).Bind(delta).Run();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// One transaction. InvalidArgument: one more row has been refused, and the others are worth another
// try.
absl::StatusOr<std::vector<Outcome>> SqliteStore::TryApply(
    absl::Span<const Command* const> commands, Refused& refused) {
  if (absl::Status status = writer_->CheckInPlace(); !status.ok()) return status;
  absl::StatusOr<Transaction> transaction = Transaction::BeginImmediate(*writer_);
  if (!transaction.ok()) return transaction.status();
  Batch batch(commands);
  const absl::StatusOr<std::vector<int64_t>> row_ids = Load(*writer_, refused, batch);
  if (!row_ids.ok()) return row_ids.status();
  // With the lock held, so that time does not run backwards from one transaction to the next.
  batch.Run(Now());
  bool changed = false;
  for (size_t i = 0; i < batch.rows().size(); ++i) {
    const Batch::Row& row = batch.rows()[i];
    if (!row.changed) continue;
    changed = true;
    const absl::Status status = WriteRow(*writer_, (*row_ids)[i], row);
    if (absl::IsInvalidArgument(status)) {
      refused.emplace(batch.keys()[i], std::string(status.message()));
    }
    if (!status.ok()) return status;
  }
  if (changed) {
    if (absl::Status status = AddCounts(*writer_, batch.Deltas()); !status.ok()) return status;
    if (absl::Status status = transaction->Commit(); !status.ok()) return status;
  }
  return batch.TakeOutcomes();
}

std::vector<Outcome> SqliteStore::Apply(absl::Span<const Command* const> commands,
                                        const ApplyOptions&) {
  if (commands.empty()) return {};
  absl::MutexLock lock(&mutex_);
  Refused refused;
  absl::StatusOr<std::vector<Outcome>> outcomes;
  size_t known = 0;
  do {
    known = refused.size();
    outcomes = TryApply(commands, refused);
    // Each turn takes one more row out, so there are at most as many turns as rows.
  } while (absl::IsInvalidArgument(outcomes.status()) && refused.size() > known);
  if (outcomes.ok()) return *std::move(outcomes);
  return std::vector<Outcome>(commands.size(), {.reason = Reason::kStoreUnavailable,
                                                .message = std::string(outcomes.status().message()),
                                                .now = Now()});
}

Outcome SqliteStore::Get(const TaskKey& key) {
  ReaderPool::Lease reader(readers_);
  const auto unavailable = [&](const absl::Status& status) -> Outcome {
    return {.reason = Reason::kStoreUnavailable,
            .message = std::string(status.message()),
            .now = Now()};
  };
  absl::StatusOr<Statement> select = reader->Prepare(SelectByKey());
  if (!select.ok()) return unavailable(select.status());
  const absl::StatusOr<bool> row = select->Bind(key.name_space).Bind(key.id).Step();
  if (!row.ok()) return unavailable(row.status());
  if (!*row) {
    return {.reason = Reason::kTaskNotFound, .message = "there is no such task", .now = Now()};
  }
  absl::StatusOr<Task> task = sqlite::ReadTask(*select);
  if (!task.ok()) {
    return {
        .reason = Reason::kInternal, .message = std::string(task.status().message()), .now = Now()};
  }
  task->lock.clear();
  return {.task = *std::move(task), .now = Now()};
}

absl::StatusOr<Page> SqliteStore::List(const ListQuery& query) {
  ReaderPool::Lease reader(readers_);
  absl::StatusOr<Page> page = sqlite::ReadPage(*reader, query);
  if (page.ok()) page->now = Now();
  return page;
}

absl::StatusOr<std::vector<StatusCount>> SqliteStore::Count(const std::string& name_space) {
  ReaderPool::Lease reader(readers_);
  absl::StatusOr<Statement> select = reader->Prepare(
      "SELECT namespace, status, n FROM task_count WHERE n <> 0 AND (?1 = '' OR namespace = ?1) "
      "ORDER BY namespace, status");
  if (!select.ok()) return select.status();
  select->Bind(name_space);
  std::vector<StatusCount> counts;
  while (true) {
    const absl::StatusOr<bool> row = select->Step();
    if (!row.ok()) return row.status();
    if (!*row) return counts;
    const std::optional<domain::Status> status = domain::StatusFromCode(select->Int(1));
    if (!status) return absl::DataLossError("the counters hold an unknown status");
    counts.push_back({select->Text(0), *status, select->Int(2)});
  }
}

absl::StatusOr<std::vector<TaskKey>> SqliteStore::ListDue(int limit) {
  ReaderPool::Lease reader(readers_);
  // The literal 10 is what lets the partial index serve.
  absl::StatusOr<Statement> select = reader->Prepare(
      "SELECT namespace, id FROM task WHERE status = 10 AND lock_expire_us <= ? "
      "ORDER BY lock_expire_us LIMIT ?");
  if (!select.ok()) return select.status();
  select->Bind(absl::ToUnixMicros(Now())).Bind(int64_t{std::max(0, limit)});
  std::vector<TaskKey> keys;
  while (true) {
    const absl::StatusOr<bool> row = select->Step();
    if (!row.ok()) return row.status();
    if (!*row) return keys;
    keys.push_back({select->Text(0), select->Text(1)});
  }
}

absl::Status SqliteStore::Ping() {
  absl::MutexLock lock(&mutex_);
  if (absl::Status status = writer_->CheckInPlace(); !status.ok()) return status;
  return Transaction::BeginImmediate(*writer_).status();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenSqlite(const std::string& path,
                                                  const OpenOptions& options) {
  absl::StatusOr<std::vector<std::unique_ptr<Connection>>> connections =
      sqlite::OpenFile(path, options.migrate, 1 + std::max(1, options.readers));
  if (!connections.ok()) return connections.status();
  std::unique_ptr<Connection> writer = std::move(connections->back());
  connections->pop_back();
  return std::make_unique<SqliteStore>(std::move(writer), *std::move(connections),
                                       options.clock_offset);
}

}  // namespace tracker::store
