#include "src/store/sqlite/sqlite_store.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "src/base/limits.h"
#include "src/store/batch.h"
#include "src/store/sqlite/batch_rows.h"
#include "src/store/sqlite/check.h"
#include "src/store/sqlite/claims.h"
#include "src/store/sqlite/counters.h"
#include "src/store/sqlite/database.h"
#include "src/store/sqlite/error_groups.h"
#include "src/store/sqlite/list_query.h"
#include "src/store/sqlite/open_file.h"
#include "src/store/sqlite/policies.h"
#include "src/store/sqlite/reader_pool.h"
#include "src/store/sqlite/task_row.h"
#include "src/store/sqlite/upkeep.h"

namespace tracker::store {
namespace {

using domain::Command;
using domain::Outcome;
using domain::Policy;
using domain::Reason;
using domain::Task;
using domain::TaskKey;
using sqlite::ClaimResult;
using sqlite::Connection;
using sqlite::ReaderPool;
using sqlite::Refused;
using sqlite::Statement;
using sqlite::Transaction;

// Threads that read for users besides the readers: the claim desk's two, one that reads policies
// for all, and jobs, which count before they begin.
constexpr int kOtherReaders = 3 + limits::kJobs;
// The reaper, the purge, the policies' refresh and the breaker.
constexpr int kUpkeep = 4;
// What reads everything once has no use for a large cache.
constexpr char kSmallCache[] = "PRAGMA cache_size = -2048";

// Runs `attempt`, one transaction, until no more rows are refused. Each turn takes one more row
// out, so there are at most as many turns as rows.
template <typename Attempt>
auto LeavingOutTheRefused(const Attempt& attempt) {
  Refused refused;
  while (true) {
    const size_t known = refused.size();
    auto result = attempt(refused);
    if (!absl::IsInvalidArgument(result.status()) || refused.size() == known) return result;
  }
}

// One connection writes, under a mutex; some others read.
class SqliteStore : public Store {
 public:
  using Connections = std::vector<std::unique_ptr<Connection>>;

  SqliteStore(std::unique_ptr<Connection> writer, Connections readers, Connections upkeep,
              Connections jobs, std::function<absl::Duration()> clock_offset)
      : clock_offset_(std::move(clock_offset)),
        writer_(std::move(writer)),
        readers_(std::move(readers)),
        upkeep_(std::move(upkeep)),
        jobs_(std::move(jobs)) {}

  using Store::Apply;
  // Nobody else holds rows here, so there is none to wait for.
  std::vector<Outcome> Apply(absl::Span<const Command* const> commands,
                             const ApplyOptions& options) override;
  absl::StatusOr<ClaimAnswer> Claim(const ClaimQuery& query) override;
  Outcome Get(const TaskKey& key) override;
  absl::StatusOr<Page> List(const ListQuery& query) override;

  absl::StatusOr<std::vector<bool>> HaveClaimable(
      const std::vector<std::string>& name_spaces) override {
    return sqlite::HaveClaimable(*Reader(readers_), name_spaces);
  }
  using Store::Count;
  absl::StatusOr<CountPage> Count(const CountQuery& query) override {
    return sqlite::ReadCounts(*Reader(readers_), query);
  }
  using Store::ListDue;
  // The index is the table's own: it has no entry without a task.
  absl::StatusOr<std::vector<TaskKey>> ListDue(const DueQuery& query) override {
    return sqlite::ListDue(*Reader(PoolOf(query.purpose)), query.limit, Now());
  }
  absl::StatusOr<FinishedPage> ListFinished(const FinishedQuery& query) override {
    return sqlite::ListFinished(*Reader(PoolOf(query.purpose)), query, Now());
  }
  using Store::GroupErrors;
  absl::StatusOr<ErrorGroups> GroupErrors(const ErrorGroupQuery& query,
                                          const GoOn& go_on) override {
    return sqlite::GroupErrors(*Reader(jobs_), query, go_on);
  }
  using Store::CheckCounts;
  absl::StatusOr<CountCheck> CheckCounts(const GoOn& go_on) override {
    return sqlite::CheckCounts(*Reader(jobs_), go_on);
  }
  absl::StatusOr<CheckReport> Check(const CheckOptions& options) override;

  absl::StatusOr<Policy> SetPolicy(const Policy& policy, std::optional<int64_t> revision) override;
  absl::Status DeletePolicy(const std::string& name_space) override;
  absl::StatusOr<std::optional<Policy>> GetPolicy(const std::string& name_space) override {
    return sqlite::GetPolicy(*Reader(readers_), name_space);
  }
  using Store::ListPolicies;
  absl::StatusOr<PolicyPage> ListPolicies(const PolicyQuery& query) override {
    return sqlite::ListPolicies(*Reader(readers_), query);
  }
  absl::StatusOr<std::vector<PolicyChange>> ListPolicyChanges(int64_t since, int limit) override {
    return sqlite::ListPolicyChanges(*Reader(readers_), since, limit);
  }
  absl::StatusOr<int64_t> PolicyVersion() override {
    return sqlite::PolicyVersion(*Reader(upkeep_));
  }
  using Store::CountAttempts;
  absl::StatusOr<std::vector<AttemptCount>> CountAttempts(
      const std::vector<AttemptQuery>& queries) override {
    return sqlite::CountAttempts(*Reader(upkeep_), queries, Now());
  }
  absl::StatusOr<std::vector<std::string>> ListAttempted(const std::string& after,
                                                         int limit) override {
    return sqlite::ListAttempted(*Reader(upkeep_), after, limit);
  }

  absl::Status Tidy() override;
  // Pages that are free are used again.
  absl::Status Vacuum(const GoOn&) override { return absl::OkStatus(); }
  absl::Status Ping() override;
  // SQLite has one writer.
  int WriterLanes() const override { return 1; }

 private:
  using Reader = ReaderPool::Lease;

  absl::Time Now() const;
  ReaderPool& PoolOf(Purpose purpose) {
    switch (purpose) {
      case Purpose::kUpkeep: return upkeep_;
      case Purpose::kJob: return jobs_;
      default: return readers_;
    }
  }
  // Runs `change` in a write transaction.
  template <typename Change>
  absl::Status Write(const Change& change) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<Transaction> BeginWrite() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // In one transaction.
  std::vector<Outcome> ApplyPart(absl::Span<const Command* const> commands);
  absl::StatusOr<std::vector<Outcome>> TryApply(absl::Span<const Command* const> commands,
                                                Refused& refused)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<ClaimAnswer> TryClaim(const ClaimQuery& query, Refused& refused)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::function<absl::Duration()> clock_offset_;
  absl::Mutex mutex_;
  const std::unique_ptr<Connection> writer_ ABSL_PT_GUARDED_BY(mutex_);
  // Each has as many as there are threads that use it at once: nobody waits for another's reading.
  ReaderPool readers_;
  ReaderPool upkeep_;
  ReaderPool jobs_;
};

// The machine's clock is the database's: all who open the file are on this machine.
absl::Time SqliteStore::Now() const {
  const absl::Time now = clock_offset_ ? absl::Now() + clock_offset_() : absl::Now();
  return absl::FromUnixMicros(absl::ToUnixMicros(now));
}

absl::StatusOr<Transaction> SqliteStore::BeginWrite() {
  if (absl::Status status = writer_->CheckInPlace(); !status.ok()) return status;
  return Transaction::BeginImmediate(*writer_);
}

absl::StatusOr<std::vector<Outcome>> SqliteStore::TryApply(
    absl::Span<const Command* const> commands, Refused& refused) {
  absl::StatusOr<Transaction> transaction = BeginWrite();
  if (!transaction.ok()) return transaction.status();
  Batch batch(commands);
  const absl::StatusOr<std::vector<int64_t>> row_ids = LoadBatch(*writer_, refused, batch);
  if (!row_ids.ok()) return row_ids.status();
  // With the lock held, so that time does not run backwards from one transaction to the next.
  const absl::Time now = Now();
  batch.Run(now);
  const absl::StatusOr<bool> changed = WriteBatch(*writer_, batch, *row_ids, now, refused);
  if (!changed.ok()) return changed.status();
  if (*changed) {
    if (absl::Status status = transaction->Commit(); !status.ok()) return status;
  }
  return batch.TakeOutcomes();
}

std::vector<Outcome> SqliteStore::Apply(absl::Span<const Command* const> commands,
                                        const ApplyOptions& options) {
  std::vector<Outcome> outcomes(commands.size());
  std::vector<size_t> left(commands.size());
  std::iota(left.begin(), left.end(), 0);
  while (!left.empty()) {
    std::vector<const Command*> part;
    part.reserve(left.size());
    for (const size_t i : left) part.push_back(commands[i]);
    std::vector<Outcome> results = ApplyPart(part);
    std::vector<size_t> deferred;
    for (size_t i = 0; i < left.size(); ++i) {
      if (results[i].reason == Reason::kDeferred) deferred.push_back(left[i]);
      outcomes[left[i]] = std::move(results[i]);
    }
    if (options.patience <= absl::ZeroDuration()) break;
    left = std::move(deferred);
  }
  return outcomes;
}

std::vector<Outcome> SqliteStore::ApplyPart(absl::Span<const Command* const> commands) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<std::vector<Outcome>> outcomes = LeavingOutTheRefused(
      [&](Refused& refused) ABSL_NO_THREAD_SAFETY_ANALYSIS { return TryApply(commands, refused); });
  if (outcomes.ok()) return *std::move(outcomes);
  return std::vector<Outcome>(commands.size(), {.reason = Reason::kStoreUnavailable,
                                                .message = std::string(outcomes.status().message()),
                                                .now = Now()});
}

absl::StatusOr<ClaimAnswer> SqliteStore::TryClaim(const ClaimQuery& query, Refused& refused) {
  absl::StatusOr<Transaction> transaction = BeginWrite();
  if (!transaction.ok()) return transaction.status();
  absl::StatusOr<ClaimResult> result = sqlite::ClaimTasks(*writer_, query, Now(), refused);
  if (!result.ok()) return result.status();
  if (result->changed) {
    if (absl::Status status = transaction->Commit(); !status.ok()) return status;
  }
  return std::move(result->answer);
}

absl::StatusOr<ClaimAnswer> SqliteStore::Claim(const ClaimQuery& query) {
  absl::MutexLock lock(&mutex_);
  return LeavingOutTheRefused(
      [&](Refused& refused) ABSL_NO_THREAD_SAFETY_ANALYSIS { return TryClaim(query, refused); });
}

Outcome SqliteStore::Get(const TaskKey& key) {
  Reader reader(readers_);
  const auto unavailable = [&](const absl::Status& status) -> Outcome {
    return {.reason = Reason::kStoreUnavailable,
            .message = std::string(status.message()),
            .now = Now()};
  };
  absl::StatusOr<Statement> select = sqlite::SelectByKey(*reader);
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
  Reader reader(PoolOf(query.purpose));
  absl::StatusOr<Page> page = sqlite::ReadPage(*reader, query);
  if (page.ok()) page->now = Now();
  return page;
}

absl::StatusOr<Policy> SqliteStore::SetPolicy(const Policy& policy,
                                              std::optional<int64_t> revision) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<Transaction> transaction = BeginWrite();
  if (!transaction.ok()) return transaction.status();
  absl::StatusOr<Policy> stored = sqlite::SetPolicy(*writer_, policy, revision, Now());
  if (!stored.ok()) return stored;
  if (absl::Status status = transaction->Commit(); !status.ok()) return status;
  return stored;
}

template <typename Change>
absl::Status SqliteStore::Write(const Change& change) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<Transaction> transaction = BeginWrite();
  if (!transaction.ok()) return transaction.status();
  absl::Status status = change(*writer_);
  return status.ok() ? transaction->Commit() : status;
}

absl::Status SqliteStore::DeletePolicy(const std::string& name_space) {
  return Write([&](Connection& writer) { return sqlite::DeletePolicy(writer, name_space, Now()); });
}

absl::Status SqliteStore::Tidy() {
  return Write([&](Connection& writer) { return sqlite::Tidy(writer, Now()); });
}

absl::StatusOr<CheckReport> SqliteStore::Check(const CheckOptions& options) {
  const absl::StatusOr<sqlite::Faults> faults = sqlite::FindFaults(*Reader(jobs_), options);
  if (!faults.ok()) return faults.status();
  CheckReport report = sqlite::ReportOf(*faults);
  if (!options.repair) return report;
  // Indexes first: what they lack is not counted.
  if (!faults->damage.empty()) {
    const absl::Status rebuilt =
        Write([](Connection& writer) { return writer.Execute("REINDEX"); });
    if (!rebuilt.ok()) return rebuilt;
    const absl::StatusOr<std::vector<std::string>> left =
        sqlite::FindDamage(*Reader(jobs_), options.go_on);
    if (!left.ok()) return left.status();
    report.skipped = static_cast<int64_t>(left->size());
    report.repaired =
        std::max<int64_t>(0, static_cast<int64_t>(faults->damage.size()) - report.skipped);
  }
  std::set<std::string> name_spaces;
  for (const CountMismatch& wrong : faults->counts.mismatches) name_spaces.insert(wrong.name_space);
  for (const std::string& name_space : name_spaces) {
    const absl::Status counted =
        Write([&](Connection& writer) { return sqlite::RepairCounts(writer, name_space); });
    if (!counted.ok()) return counted;
    for (const CountMismatch& wrong : faults->counts.mismatches) {
      report.repaired += wrong.name_space == name_space ? 1 : 0;
    }
    if (options.tell) options.tell(report);
    if (absl::Status go_on = options.go_on ? options.go_on() : absl::OkStatus(); !go_on.ok()) {
      return go_on;
    }
  }
  return report;
}

absl::Status SqliteStore::Ping() {
  absl::MutexLock lock(&mutex_);
  return BeginWrite().status();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenSqlite(const std::string& path,
                                                  const OpenOptions& options) {
  const int readers = std::max(1, options.readers) + kOtherReaders;
  absl::StatusOr<std::vector<std::unique_ptr<Connection>>> connections =
      sqlite::OpenFile(path, options.migrate, 1 + readers + kUpkeep + limits::kJobs);
  if (!connections.ok()) return connections.status();
  for (const std::unique_ptr<Connection>& connection : *connections) {
    connection->TellTo(options.on_event);
  }
  const auto take = [&](int count) {
    std::vector<std::unique_ptr<Connection>> taken(
        std::make_move_iterator(connections->end() - count),
        std::make_move_iterator(connections->end()));
    connections->resize(connections->size() - count);
    return taken;
  };
  std::vector<std::unique_ptr<Connection>> upkeep = take(kUpkeep);
  std::vector<std::unique_ptr<Connection>> jobs = take(limits::kJobs);
  for (auto* quiet : {&upkeep, &jobs}) {
    for (const std::unique_ptr<Connection>& connection : *quiet) {
      if (absl::Status status = connection->Execute(kSmallCache); !status.ok()) return status;
    }
  }
  std::vector<std::unique_ptr<Connection>> serving = take(readers);
  return std::make_unique<SqliteStore>(std::move(connections->front()), std::move(serving),
                                       std::move(upkeep), std::move(jobs), options.clock_offset);
}

}  // namespace tracker::store
