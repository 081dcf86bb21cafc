#include "src/store/postgres/writer.h"

#include <xxhash.h>

#include <algorithm>
#include <map>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "src/base/monotonic.h"
#include "src/store/postgres/batch_commit.h"
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
constexpr absl::Duration kHeldFor = absl::Seconds(5);
constexpr size_t kMaxHeld = 1000;
// Finding one held row among a lane's batch takes some ten turns of lock_timeout. A stranger that
// holds the whole table (ALTER TABLE, CREATE INDEX) would take one for every command.
constexpr absl::Duration kHeldPatience = absl::Seconds(7);

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
  // By bucket, and within it the rows that a stranger was seen to hold apart. Commands on one task
  // stay together, in order.
  const std::vector<bool> held = WhichAreHeld(commands);
  std::map<std::pair<int, bool>, std::vector<size_t>> groups;
  for (size_t i = 0; i < commands.size(); ++i) {
    groups[{BucketOf(commands[i]->key.id, buckets_), held[i]}].push_back(i);
  }
  std::vector<Outcome> outcomes(commands.size());
  for (const auto& [group, members] : groups) {
    Commands part;
    part.reserve(members.size());
    for (const size_t i : members) part.push_back(commands[i]);
    std::vector<Outcome> results = ApplyBucket(
        group.first, part,
        {.skip_held = options.skip_held || group.second, .remember_held = !options.skip_held},
        base::MonotonicNow() + kHeldPatience);
    for (size_t i = 0; i < members.size(); ++i) outcomes[members[i]] = std::move(results[i]);
  }
  return outcomes;
}

std::vector<Outcome> Writer::ApplyBucket(int bucket, const Commands& commands, Mode mode,
                                         absl::Time patience) {
  int conflicts = 0;
  int losses = 0;
  while (true) {
    Batch batch(commands);
    const absl::Status status = RunOnce(bucket, batch, mode);
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
        // Even without waiting for rows: an insert waits for a stranger's insert of the same key.
        // Find it.
        if (mode.skip_held) return Split(bucket, commands, status, patience);
        mode.skip_held = true;
        break;
      case absl::StatusCode::kUnknown: mode.repeated = true; [[fallthrough]];
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

// Finds the command that spoils the transaction for the others: ResourceExhausted, a row that a
// stranger holds; InvalidArgument, values that the database refuses; DataLoss, a row that it cannot
// read.
std::vector<Outcome> Writer::Split(int bucket, const Commands& commands, const absl::Status& why,
                                   absl::Time patience) {
  const bool held = absl::IsResourceExhausted(why);
  if (commands.size() == 1) {
    if (absl::IsDataLoss(why)) {
      // Apart from the others for a while, so that they are not split at each turn.
      RememberHeld(commands[0]->key);
      return AllRefused(1, Reason::kInternal, "the database cannot read the task's row");
    }
    if (!held) {
      return AllRefused(1, Reason::kInternal,
                        absl::StrCat("the database refused the task's values: ", why.message()));
    }
    RememberHeld(commands[0]->key);
    return AllRefused(1, Reason::kStoreUnavailable, "another session holds the task's row");
  }
  const auto apply = [&](const Commands& half) {
    if (held && base::MonotonicNow() >= patience) {
      return AllRefused(half.size(), Reason::kStoreUnavailable,
                        "another session holds the table, or many rows of it");
    }
    return ApplyBucket(bucket, half, {.skip_held = held}, patience);
  };
  const auto middle = commands.begin() + static_cast<std::ptrdiff_t>(commands.size() / 2);
  std::vector<Outcome> outcomes = apply(Commands(commands.begin(), middle));
  std::vector<Outcome> rest = apply(Commands(middle, commands.end()));
  std::move(rest.begin(), rest.end(), std::back_inserter(outcomes));
  return outcomes;
}

absl::Status Writer::RunOnce(int bucket, Batch& batch, Mode mode) {
  absl::StatusOr<ConnectionPool::Lease> lease = pool_->Acquire();
  if (!lease.ok()) return lease.status();
  Connection& connection = **lease;
  absl::Time now;
  if (absl::Status loaded = LoadRows(connection, bucket, batch, mode, &now); !loaded.ok()) {
    return loaded;
  }
  batch.Run(now);
  if (mode.repeated) batch.ForgiveRepeatedDeletes();
  // Also when nothing changed: a refusal and a repeated answer rest on what others have committed,
  // which the locks have shown.
  return WriteAndCommit(connection, bucket, batch, now);
}

absl::Status Writer::LoadRows(Connection& connection, int bucket, Batch& batch, Mode mode,
                              absl::Time* now) {
  absl::StatusOr<Rows> rows =
      connection.Begin({mode.skip_held ? kLockUnheld : kLock, KeyValues(bucket, batch.keys())});
  if (!rows.ok()) return rows.status();
  std::vector<TaskKey> found;
  for (int row = 0; row < rows->size(); ++row) {
    *now = absl::FromUnixMicros(rows->Int(row, 0));
    if (rows->IsNull(row, 1)) continue;
    absl::StatusOr<Task> task = TaskFrom(*rows, row, 2);
    TaskKey key{std::string(rows->Text(row, 2)), std::string(rows->Text(row, 3))};
    if (mode.skip_held) found.push_back(key);
    if (task.ok()) {
      batch.Load(*std::move(task), std::string(rows->Text(row, 1)));
    } else {
      batch.Exclude(key, Reason::kInternal, std::string(task.status().message()));
    }
  }
  if (clock_offset_) *now += clock_offset_();
  if (absl::Status read = LoadPrerequisites(connection, bucket, batch); !read.ok()) return read;
  return mode.skip_held ? ExcludeHeld(connection, bucket, batch, found, mode.remember_held)
                        : absl::OkStatus();
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

// Of the rows that could not be locked at once, those that exist are held by somebody else.
absl::Status Writer::ExcludeHeld(Connection& connection, int bucket, Batch& batch,
                                 const std::vector<TaskKey>& found, bool remember) {
  std::vector<TaskKey> missing;
  std::set_difference(batch.keys().begin(), batch.keys().end(), found.begin(), found.end(),
                      std::back_inserter(missing));
  // Else a row that is busy, not held, would go on being tried without waiting.
  ForgetHeld(found);
  if (missing.empty()) return absl::OkStatus();
  absl::StatusOr<Rows> rows = connection.Execute({kExisting, KeyValues(bucket, missing)});
  if (!rows.ok()) return rows.status();
  for (int row = 0; row < rows->size(); ++row) {
    const TaskKey key{std::string(rows->Text(row, 0)), std::string(rows->Text(row, 1))};
    if (remember) RememberHeld(key);
    batch.Exclude(key, Reason::kStoreUnavailable, "another session holds the task's row");
  }
  return absl::OkStatus();
}

std::vector<bool> Writer::WhichAreHeld(absl::Span<const Command* const> commands) {
  std::vector<bool> answer(commands.size(), false);
  absl::MutexLock lock(&mutex_);
  if (held_.empty()) return answer;
  const absl::Time now = base::MonotonicNow();
  absl::erase_if(held_, [now](const auto& held) { return held.second <= now; });
  for (size_t i = 0; i < commands.size(); ++i) answer[i] = held_.contains(commands[i]->key);
  return answer;
}

void Writer::RememberHeld(const TaskKey& key) {
  absl::MutexLock lock(&mutex_);
  if (held_.size() >= kMaxHeld) held_.clear();
  held_[key] = base::MonotonicNow() + kHeldFor;
}

void Writer::ForgetHeld(const std::vector<TaskKey>& keys) {
  absl::MutexLock lock(&mutex_);
  for (const TaskKey& key : keys) held_.erase(key);
}

}  // namespace tracker::store::postgres
