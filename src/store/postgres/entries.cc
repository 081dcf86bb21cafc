#include "src/store/postgres/entries.h"

#include <cstdint>
#include <optional>

#include "src/store/postgres/array_literal.h"

namespace tracker::store::postgres {
namespace {

using domain::Task;
using domain::TaskKey;

// The places of tasks that are locked: so each of these rows has one writer at a time.
const Statement kAddReady = {"add_ready",
                             "INSERT INTO tracker.ready (bucket, namespace, rank, available_us, id)"
                             " SELECT $1::int, v.namespace, v.rank, v.available_us, v.id"
                             " FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::text[])"
                             " AS v(namespace, rank, available_us, id)"};
const Statement kRemoveReady = {
    "remove_ready",
    "DELETE FROM tracker.ready WHERE bucket = $1::int AND ctid = ANY (ARRAY("
    "SELECT r.ctid FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::text[])"
    " AS v(namespace, rank, available_us, id) CROSS JOIN LATERAL (SELECT ctid FROM tracker.ready"
    " WHERE bucket = $1::int AND namespace = v.namespace AND rank = v.rank"
    " AND available_us = v.available_us AND id = v.id OFFSET 0) r))"};
const Statement kAddAlarm = {"add_alarm",
                             "INSERT INTO tracker.alarm (bucket, due_us, namespace, id, held)"
                             " SELECT $1::int, v.due_us, v.namespace, v.id, v.held"
                             " FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bool[])"
                             " AS v(due_us, namespace, id, held)"};
const Statement kRemoveAlarm = {
    "remove_alarm",
    "DELETE FROM tracker.alarm WHERE bucket = $1::int AND ctid = ANY (ARRAY("
    "SELECT a.ctid FROM unnest($2::bigint[], $3::text[], $4::text[])"
    " AS v(due_us, namespace, id) CROSS JOIN LATERAL (SELECT ctid FROM tracker.alarm"
    " WHERE bucket = $1::int AND due_us = v.due_us AND namespace = v.namespace"
    " AND id = v.id OFFSET 0) a))"};

const Statement kAddIdle = {
    "add_idle",
    "INSERT INTO tracker.idle (bucket, namespace, update_us, id)"
    " SELECT $1::int, v.namespace, v.update_us, v.id"
    " FROM unnest($2::text[], $3::bigint[], $4::text[]) AS v(namespace, update_us, id)"};
const Statement kRemoveIdle = {
    "remove_idle",
    "DELETE FROM tracker.idle WHERE bucket = $1::int AND ctid = ANY (ARRAY("
    "SELECT i.ctid FROM unnest($2::text[], $3::bigint[], $4::text[])"
    " AS v(namespace, update_us, id) CROSS JOIN LATERAL (SELECT ctid FROM tracker.idle"
    " WHERE bucket = $1::int AND namespace = v.namespace AND update_us = v.update_us"
    " AND id = v.id OFFSET 0) i))"};

// The rows of a task in tracker.ready, tracker.alarm and tracker.idle.
struct ReadyEntry {
  int64_t rank = 0;
  int64_t available_us = 0;
  friend bool operator==(const ReadyEntry&, const ReadyEntry&) = default;
};
struct AlarmEntry {
  int64_t due_us = 0;
  bool held = false;
  friend bool operator==(const AlarmEntry&, const AlarmEntry&) = default;
};
struct Entries {
  std::optional<ReadyEntry> ready;
  std::optional<AlarmEntry> alarm;
  // update_us.
  std::optional<int64_t> idle;
};

Entries EntriesOf(const std::optional<Task>& task) {
  Entries entries;
  if (!task) return entries;
  const bool held = task->status == domain::Status::kInProgress;
  if (domain::Claimable(*task)) {
    entries.ready = {-int64_t{task->priority}, absl::ToUnixMicros(task->available_time)};
  }
  if (task->alarm_time != absl::UnixEpoch())
    entries.alarm = {absl::ToUnixMicros(task->alarm_time), held};
  if (!held) entries.idle = absl::ToUnixMicros(task->update_time);
  return entries;
}

// Rows of the three tables, all to be added or all to be removed.
class EntryArrays {
 public:
  void Add(const TaskKey& key, const ReadyEntry& entry) {
    ready_[0].AddText(key.name_space);
    ready_[1].Add(entry.rank);
    ready_[2].Add(entry.available_us);
    ready_[3].AddText(key.id);
    has_ready_ = true;
  }
  void Add(const TaskKey& key, const AlarmEntry& entry) {
    alarm_[0].Add(entry.due_us);
    alarm_[1].AddText(key.name_space);
    alarm_[2].AddText(key.id);
    alarm_[3].AddBool(entry.held);
    has_alarm_ = true;
  }
  void Add(const TaskKey& key, int64_t update_us) {
    idle_[0].AddText(key.name_space);
    idle_[1].Add(update_us);
    idle_[2].AddText(key.id);
    has_idle_ = true;
  }
  void AppendAdds(int bucket, std::vector<StatementCall>* calls) {
    if (has_ready_) calls->push_back({kAddReady, BucketAndArrays(bucket, absl::MakeSpan(ready_))});
    if (has_alarm_) calls->push_back({kAddAlarm, BucketAndArrays(bucket, absl::MakeSpan(alarm_))});
    if (has_idle_) calls->push_back({kAddIdle, BucketAndArrays(bucket, absl::MakeSpan(idle_))});
  }
  void AppendRemoves(int bucket, std::vector<StatementCall>* calls) {
    if (has_ready_)
      calls->push_back({kRemoveReady, BucketAndArrays(bucket, absl::MakeSpan(ready_))});
    // By its time and key alone.
    const auto alarm_key = absl::MakeSpan(alarm_).first(3);
    if (has_alarm_) calls->push_back({kRemoveAlarm, BucketAndArrays(bucket, alarm_key)});
    if (has_idle_) calls->push_back({kRemoveIdle, BucketAndArrays(bucket, absl::MakeSpan(idle_))});
  }

 private:
  ArrayLiteral ready_[4], alarm_[4], idle_[3];
  bool has_ready_ = false, has_alarm_ = false, has_idle_ = false;
};

template <typename Entry>
void Compare(const TaskKey& key, const std::optional<Entry>& before,
             const std::optional<Entry>& after, EntryArrays& removed, EntryArrays& added) {
  if (before == after) return;
  if (before) removed.Add(key, *before);
  if (after) added.Add(key, *after);
}

}  // namespace

std::vector<StatementCall> EntryCalls(int bucket, const Batch& batch) {
  EntryArrays removed, added;
  for (size_t i = 0; i < batch.rows().size(); ++i) {
    const Batch::Row& row = batch.rows()[i];
    if (!row.changed) continue;
    const TaskKey& key = batch.keys()[i];
    const Entries before = EntriesOf(row.before);
    const Entries after = EntriesOf(row.after);
    Compare(key, before.ready, after.ready, removed, added);
    Compare(key, before.alarm, after.alarm, removed, added);
    Compare(key, before.idle, after.idle, removed, added);
  }
  std::vector<StatementCall> calls;
  removed.AppendRemoves(bucket, &calls);
  added.AppendAdds(bucket, &calls);
  return calls;
}

}  // namespace tracker::store::postgres
