#include "src/store/postgres/writer.h"

#include <xxhash.h>

#include <algorithm>
#include <map>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "src/base/limits.h"
#include "src/base/monotonic.h"
#include "src/store/postgres/documents.h"
#include "src/store/postgres/statements.h"

namespace tracker::store::postgres {
namespace {

using domain::Command;
using domain::Outcome;
using domain::Reason;
using domain::Task;
using domain::TaskKey;

// Serialization failures and races of two inserts end quickly or not at all.
constexpr int kMaxConflicts = 20;
// A connection that was idle may be long dead, and a new one may meet a server that is just
// starting; more is for the caller to try.
constexpr int kMaxLosses = 3;
// For a stranger that holds the whole table (ALTER TABLE, CREATE INDEX), or inserts many tasks by
// hand.
constexpr absl::Duration kLockPatience = absl::Seconds(7);
// Of the wait between two looks at rows that others hold; their commit takes about the shortest.
constexpr absl::Duration kFirstPause = absl::Milliseconds(1);
constexpr absl::Duration kLongestPause = absl::Milliseconds(20);
// Rows in the making are kept apart for so many calls, and are as many as this.
constexpr int kApartFor = 1000;
constexpr size_t kMaxApart = 1000;

void SleepJittered(absl::Duration longest) {
  thread_local absl::BitGen random;
  absl::SleepFor(longest * absl::Uniform(random, 0.0, 1.0));
}

std::vector<Outcome> AllRefused(size_t count, Reason reason, const std::string& message) {
  return std::vector<Outcome>(count, Outcome{.reason = reason, .message = message});
}

}  // namespace

int BucketOf(const std::string& id, int buckets) {
  if (buckets <= 1) return 0;
  return static_cast<int>(XXH3_64bits(id.data(), id.size()) % buckets);
}

std::vector<Outcome> Writer::Apply(absl::Span<const Command* const> commands,
                                   const ApplyOptions& options) {
  std::vector<Outcome> outcomes = ApplyUnheld(commands);
  if (options.patience <= absl::ZeroDuration()) return outcomes;
  absl::Duration waited;
  absl::Duration pause = kFirstPause;
  while (true) {
    std::vector<size_t> left;
    bool deferred = false;
    for (size_t i = 0; i < outcomes.size(); ++i) {
      deferred |= outcomes[i].reason == Reason::kDeferred;
      if (outcomes[i].reason == Reason::kHeld || outcomes[i].reason == Reason::kDeferred) {
        left.push_back(i);
      }
    }
    if (left.empty() || (!deferred && waited >= options.patience)) return outcomes;
    if (!deferred) {
      absl::SleepFor(pause);
      waited += pause;
      pause = std::min(2 * pause, kLongestPause);
    }
    Commands again;
    again.reserve(left.size());
    for (const size_t i : left) again.push_back(commands[i]);
    std::vector<Outcome> results = ApplyUnheld(again);
    for (size_t i = 0; i < left.size(); ++i) outcomes[left[i]] = std::move(results[i]);
  }
}

std::vector<Outcome> Writer::ApplyUnheld(absl::Span<const Command* const> commands) {
  // By bucket, and within it the rows that somebody else is making apart. Commands on one task stay
  // together, in order.
  const std::vector<bool> apart = WhichAreApart(commands);
  std::map<std::pair<int, bool>, std::vector<size_t>> groups;
  for (size_t i = 0; i < commands.size(); ++i) {
    groups[{BucketOf(commands[i]->key.id, buckets_), apart[i]}].push_back(i);
  }
  std::vector<Outcome> outcomes(commands.size());
  for (const auto& [group, members] : groups) {
    Commands part;
    part.reserve(members.size());
    for (const size_t i : members) part.push_back(commands[i]);
    const base::MonotonicTime patience = base::MonotonicNow() + kLockPatience;
    std::vector<Outcome> results = ApplyBucket(group.first, part, patience);
    for (size_t i = 0; i < members.size(); ++i) outcomes[members[i]] = std::move(results[i]);
  }
  return outcomes;
}

std::vector<Outcome> Writer::ApplyBucket(int bucket, const Commands& commands,
                                         base::MonotonicTime patience) {
  int conflicts = 0;
  int losses = 0;
  while (true) {
    Batch batch(commands);
    Progress progress;
    TransactionName name;
    const absl::Status status = RunOnce(bucket, batch, &progress, &name);
    switch (status.code()) {
      case absl::StatusCode::kOk: return batch.TakeOutcomes();
      case absl::StatusCode::kAborted:
        if (++conflicts >= kMaxConflicts) {
          return AllRefused(commands.size(), Reason::kStoreUnavailable,
                            absl::StrCat("the database refused the transaction ", conflicts,
                                         " times: ", status.message()));
        }
        SleepJittered(absl::Milliseconds(conflicts));
        break;
      case absl::StatusCode::kResourceExhausted:
        if (base::MonotonicNow() >= patience) {
          return AllRefused(commands.size(), Reason::kStoreUnavailable,
                            "another session holds the table, or many rows of it");
        }
        // An insert waits for somebody else's of the same key: find it.
        if (progress.inserting && !TableIsLocked())
          return Split(bucket, commands, status, patience);
        break;
      case absl::StatusCode::kUnknown:
        // Where nothing was to be written, nothing is in doubt.
        if (!batch.changed()) return batch.TakeOutcomes();
        switch (buckets_ == 1 ? FateOf(*pool_, name) : CommitFate::kUnknown) {
          case CommitFate::kCommitted: return batch.TakeOutcomes();
          case CommitFate::kAborted: break;
          case CommitFate::kUnknown:
            return AllRefused(commands.size(), Reason::kStoreUnavailable,
                              "the connection to the database was lost during the commit, and it "
                              "cannot be told whether that was done");
        }
        [[fallthrough]];
      case absl::StatusCode::kUnavailable:
      case absl::StatusCode::kDeadlineExceeded:
        if (++losses >= kMaxLosses) {
          return AllRefused(commands.size(), Reason::kStoreUnavailable,
                            absl::StrCat("the database cannot be reached: ", status.message()));
        }
        SleepJittered(absl::Milliseconds(50 * losses));
        break;
      case absl::StatusCode::kDataLoss:
      case absl::StatusCode::kInvalidArgument: return Split(bucket, commands, status, patience);
      default:
        return AllRefused(commands.size(), Reason::kInternal,
                          absl::StrCat("the database refused the write: ", status.message()));
    }
  }
}

// Finds the command that spoils the transaction for the others: ResourceExhausted, a row that
// somebody else is making; InvalidArgument, values that the database refuses; DataLoss, a row that
// it cannot read.
std::vector<Outcome> Writer::Split(int bucket, const Commands& commands, const absl::Status& why,
                                   base::MonotonicTime patience) {
  const TaskKey& first = commands.front()->key;
  // All commands on one task are one culprit, and are never parted.
  const auto others = std::find_if(commands.begin(), commands.end(),
                                   [&](const Command* command) { return command->key != first; });
  if (others == commands.end()) {
    if (absl::IsDataLoss(why)) {
      KeepApart(first);
      return AllRefused(commands.size(), Reason::kInternal,
                        "the database cannot read the task's row");
    }
    if (!absl::IsResourceExhausted(why)) {
      return AllRefused(commands.size(), Reason::kInternal,
                        absl::StrCat("the database refused the task's values: ", why.message()));
    }
    KeepApart(first);
    return AllRefused(commands.size(), Reason::kHeld, "another session is making the task");
  }
  Batch keys(commands);
  const TaskKey& middle = keys.keys()[keys.keys().size() / 2];
  std::vector<size_t> halves[2];
  for (size_t i = 0; i < commands.size(); ++i) {
    halves[commands[i]->key < middle ? 0 : 1].push_back(i);
  }
  std::vector<Outcome> outcomes(commands.size());
  for (const std::vector<size_t>& half : halves) {
    Commands part;
    part.reserve(half.size());
    for (const size_t i : half) part.push_back(commands[i]);
    std::vector<Outcome> results = ApplyBucket(bucket, part, patience);
    for (size_t i = 0; i < half.size(); ++i) outcomes[half[i]] = std::move(results[i]);
  }
  return outcomes;
}

bool Writer::TableIsLocked() {
  absl::StatusOr<ConnectionPool::Lease> lease = pool_->Acquire();
  if (!lease.ok() || !(*lease)->Begin().ok()) return false;
  // What an insert takes. The lease's end rolls it back.
  return absl::IsResourceExhausted(
      (*lease)->ExecuteText("LOCK TABLE tracker.task IN ROW EXCLUSIVE MODE NOWAIT").status());
}

absl::Status Writer::RunOnce(int bucket, Batch& batch, Progress* progress, TransactionName* name) {
  absl::StatusOr<ConnectionPool::Lease> lease = pool_->Acquire();
  if (!lease.ok()) return lease.status();
  Connection& connection = **lease;
  absl::Time now;
  absl::Status loaded = LoadRows(connection, bucket, batch, progress, &now);
  // Nothing has been committed, however the connection was lost.
  if (absl::IsUnknown(loaded)) return absl::UnavailableError(loaded.message());
  if (!loaded.ok()) return loaded;
  batch.Run(now);
  // Also when nothing changed: a refusal and a repeated answer rest on what others have committed,
  // which the locks have shown.
  const absl::Status committed = WriteAndCommit(connection, bucket, batch, now, progress);
  *name = {progress->transaction, connection.history(), connection.process_id()};
  return committed;
}

absl::Status Writer::LoadRows(Connection& connection, int bucket, Batch& batch, Progress* progress,
                              absl::Time* now) {
  absl::StatusOr<Rows> rows = connection.Begin({kLock, KeyValues(bucket, batch.keys())});
  if (!rows.ok()) return rows.status();
  if (rows->size() != static_cast<int>(batch.keys().size())) {
    return absl::InternalError("the lock of the tasks answered another number of rows");
  }
  for (int row = 0; row < rows->size(); ++row) {
    *now = absl::FromUnixMicros(rows->Int(row, kLockClock));
    if (!rows->IsNull(row, kLockTransaction)) {
      progress->transaction = std::string(rows->Text(row, kLockTransaction));
    }
    const TaskKey& key = batch.keys()[row];
    if (rows->IsNull(row, kLockPlace)) {
      if (rows->Text(row, kLockHeld) == "t") {
        batch.Exclude(key, Reason::kHeld, "another session holds the task's row");
      }
      continue;
    }
    absl::StatusOr<Task> task = TaskFrom(*rows, row, kLockTask);
    if (!task.ok()) {
      batch.Exclude(key, Reason::kInternal, std::string(task.status().message()));
      continue;
    }
    task->documents_left_out = rows->Text(row, kLockLeftOut) == "t";
    batch.Load(*std::move(task), std::string(rows->Text(row, kLockPlace)));
  }
  if (clock_offset_) *now += clock_offset_();
  if (absl::Status read = LoadDocuments(connection, bucket, batch); !read.ok()) return read;
  return LoadPrerequisites(connection, bucket, batch);
}

// A few at a time, until as many bytes are there as one transaction may load; the others are for
// another one.
absl::Status Writer::LoadDocuments(Connection& connection, int bucket, Batch& batch) {
  const std::vector<TaskKey> wanted = batch.WantedDocuments();
  size_t bytes = 0;
  for (size_t i = 0; i < wanted.size(); i += limits::kDocumentsAtOnce) {
    const size_t count = std::min(limits::kDocumentsAtOnce, wanted.size() - i);
    const absl::Span<const TaskKey> span = absl::MakeConstSpan(wanted).subspan(i, count);
    const std::vector<TaskKey> part(span.begin(), span.end());
    if (bytes >= limits::kLaneBatchBytes) {
      for (const TaskKey& key : part)
        batch.Exclude(key, Reason::kDeferred, "the transaction is full");
      continue;
    }
    absl::StatusOr<std::vector<Documents>> read = ReadDocuments(connection, bucket, part);
    if (!read.ok()) return read.status();
    for (Documents& documents : *read) {
      bytes += documents.bytes;
      if (documents.errors.ok()) {
        batch.LoadDocuments(documents.key, std::move(documents.data), *std::move(documents.errors));
      } else {
        batch.Exclude(documents.key, Reason::kInternal,
                      std::string(documents.errors.status().message()));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status Writer::LoadPrerequisites(Connection& connection, int bucket, Batch& batch) {
  if (batch.prerequisites().empty()) return absl::OkStatus();
  absl::StatusOr<Rows> rows =
      connection.Execute({kSucceeded, KeyValues(bucket, batch.prerequisites())});
  if (!rows.ok()) return rows.status();
  for (int row = 0; row < rows->size(); ++row) {
    batch.LoadSucceeded({std::string(rows->Text(row, 0)), std::string(rows->Text(row, 1))});
  }
  return absl::OkStatus();
}

std::vector<bool> Writer::WhichAreApart(absl::Span<const Command* const> commands) {
  std::vector<bool> answer(commands.size(), false);
  absl::MutexLock lock(&mutex_);
  if (apart_.empty()) return answer;
  absl::erase_if(apart_, [](auto& row) { return --row.second <= 0; });
  for (size_t i = 0; i < commands.size(); ++i) {
    answer[i] = apart_.contains(commands[i]->key);
  }
  return answer;
}

void Writer::KeepApart(const TaskKey& key) {
  absl::MutexLock lock(&mutex_);
  if (apart_.size() >= kMaxApart) apart_.clear();
  apart_[key] = kApartFor;
}

}  // namespace tracker::store::postgres
