#include "src/store/postgres/claimer.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "src/base/limits.h"
#include "src/store/batch.h"
#include "src/store/claim_place.h"
#include "src/store/postgres/array_literal.h"
#include "src/store/postgres/batch_commit.h"
#include "src/store/postgres/claim_statements.h"
#include "src/store/postgres/documents.h"
#include "src/store/postgres/entry_sweep.h"
#include "src/store/postgres/statements.h"

namespace tracker::store::postgres {
namespace {

using domain::Command;
using domain::Task;

// Another transaction's, or a lost connection: as of Writer.
constexpr int kMaxTries = 5;
// Tasks that are read at once: one that turns out not to fit has been read for nothing.
constexpr int kFirstRows = 256;
// How often one step looks at limits::kClaimScan candidates of which none is to be had. With
// `after` most of them are not to be had for a good reason, and looking at them costs more.
constexpr int kSweeps = 4;
constexpr int kSweepsAfter = 1;
// How long a repeated claim waits for a row that another transaction holds: others wait with it.
constexpr absl::Duration kRecallPatience = absl::Milliseconds(50);

// Leaves as many tasks as there is room for, but one: their data may have grown since they were
// handed out.
void KeepBelow(size_t bytes, std::vector<Task>& tasks) {
  size_t sum = 0;
  for (size_t i = 0; i < tasks.size(); ++i) {
    sum += domain::ByteSize(tasks[i]);
    if (sum <= bytes || i == 0) continue;
    tasks.resize(i);
    return;
  }
}

std::string TextArray(const std::vector<std::string>& texts) {
  ArrayLiteral array;
  for (const std::string& text : texts) array.AddText(text);
  return array.Take();
}

}  // namespace

// One claim on its way.
struct Claimer::Step {
  explicit Step(const ClaimQuery& claim)
      : query(claim), deal(claim.orders), answer(claim.orders.size()) {}

  ClaimAnswer Finish() && {
    deal.CopyRepeats(&answer);
    return std::move(answer);
  }

  const ClaimQuery& query;
  ClaimDeal deal;
  ClaimAnswer answer;
  ClaimPlace from;
  size_t bytes = 0;
};

absl::StatusOr<ClaimAnswer> Claimer::Claim(const ClaimQuery& query) {
  thread_local absl::BitGen random;
  if (absl::StatusOr<ClaimPlace> from = DecodeClaimPlace(query.from); !from.ok())
    return from.status();
  absl::Status status;
  for (int tries = 0; tries < kMaxTries; ++tries) {
    if (tries > 0) absl::SleepFor(absl::Milliseconds(10 * tries * absl::Uniform(random, 0.0, 1.0)));
    absl::StatusOr<ClaimAnswer> answer = ClaimOnce(query);
    if (answer.ok()) return answer;
    status = answer.status();
    // What was claimed by a commit whose outcome is unknown is remembered: so it is found, and
    // nothing is claimed twice.
    const bool again = absl::IsAborted(status) || absl::IsUnavailable(status) ||
                       absl::IsUnknown(status) || absl::IsResourceExhausted(status) ||
                       (absl::IsDataLoss(status) && LeaveOutUnreadable(query));
    if (!again) break;
  }
  if (absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status) ||
      absl::IsDataLoss(status)) {
    return absl::InternalError(absl::StrCat("the database refused the claim: ", status.message()));
  }
  return ReadAccess::Unreachable(status);
}

absl::StatusOr<ClaimAnswer> Claimer::ClaimOnce(const ClaimQuery& query) {
  Step step(query);
  step.from = *DecodeClaimPlace(query.from);
  if (absl::Status recalled = Recall(step); !recalled.ok()) return recalled;
  if (absl::Status handed_out = HandOut(step); !handed_out.ok()) return handed_out;
  return std::move(step).Finish();
}

absl::Status Claimer::HandOut(Step& step) {
  const bool paused = step.query.policy && step.query.policy->paused;
  const int wanted = paused ? 0 : std::min(step.deal.wanted(), limits::kClaimTasks);
  if (wanted == 0) return absl::OkStatus();
  absl::StatusOr<ConnectionPool::Lease> lease = read_.pool()->Acquire();
  if (!lease.ok()) return lease.status();
  Connection& connection = **lease;
  absl::StatusOr<std::vector<int>> shares = Shares(connection, step.query, wanted);
  if (!shares.ok()) return shares.status();
  for (int bucket = 0; bucket < read_.buckets(); ++bucket) {
    if ((*shares)[bucket] == 0) continue;
    absl::Status claimed = ClaimInBucket(connection, bucket, (*shares)[bucket], step);
    if (!claimed.ok()) {
      connection.Rollback();
      return claimed;
    }
  }
  return absl::OkStatus();
}

bool Claimer::LeaveOutUnreadable(const ClaimQuery& query) {
  absl::StatusOr<ConnectionPool::Lease> lease = read_.pool()->Acquire();
  const absl::StatusOr<ClaimPlace> from = DecodeClaimPlace(query.from);
  if (!lease.ok() || !from.ok()) return false;
  int found = 0;
  for (int bucket = 0; bucket < read_.buckets(); ++bucket) {
    absl::StatusOr<Rows> rows = (*lease)->Execute(
        {kNextCandidates,
         {absl::StrCat(bucket), query.name_space, absl::StrCat(from->rank),
          absl::StrCat(from->available_us), from->id, TextArray(unreadable_.Of(query.name_space)),
          absl::StrCat(limits::kClaimTasks)}});
    if (!rows.ok()) return false;
    std::vector<domain::TaskKey> keys;
    keys.reserve(rows->size());
    for (int row = 0; row < rows->size(); ++row) {
      keys.push_back({std::string(rows->Text(row, 0)), std::string(rows->Text(row, 1))});
    }
    found += unreadable_.Find(**lease, bucket, keys).value_or(0);
  }
  return found > 0;
}

absl::StatusOr<std::vector<int>> Claimer::Shares(Connection& connection, const ClaimQuery& query,
                                                 int wanted) const {
  // With one bucket there is nothing to share out.
  if (read_.buckets() == 1) return std::vector<int>{wanted};
  absl::StatusOr<Rows> rows =
      connection.Execute({kClaimShares, {query.name_space, absl::StrCat(wanted)}});
  if (!rows.ok()) return rows.status();
  std::vector<int> shares(read_.buckets(), 0);
  for (int row = 0; row < rows->size(); ++row) {
    shares[rows->Int(row, 0)] = static_cast<int>(rows->Int(row, 1));
  }
  return shares;
}

absl::Status Claimer::Recall(Step& step) {
  absl::flat_hash_map<std::string, size_t> orders;
  std::vector<std::string> tokens;
  for (size_t i = 0; i < step.query.orders.size(); ++i) {
    // Of those with the same token the first counts.
    orders.emplace(step.query.orders[i].token, i);
    tokens.push_back(step.query.orders[i].token);
  }
  absl::StatusOr<Rows> rows = Remembered(step.query.name_space, tokens);
  if (!rows.ok()) return rows.status();
  std::vector<Command> commands;
  std::vector<size_t> whose;
  for (int row = 0; row < rows->size(); ++row) {
    const size_t order = orders.at(std::string(rows->Text(row, 0)));
    step.answer.recalls[order] = ClaimRecall::kRecalled;
    step.deal.Close(order);
    commands.push_back({.key = {step.query.name_space, std::string(rows->Text(row, 1))},
                        .token = step.query.orders[order].token,
                        .action = domain::Heartbeat{.lease = step.query.orders[order].lease}});
    whose.push_back(order);
  }
  if (commands.empty()) return absl::OkStatus();
  std::vector<domain::Outcome> outcomes =
      writer_.Apply(domain::PointersTo(commands), {.patience = kRecallPatience});
  for (size_t i = 0; i < outcomes.size(); ++i) {
    domain::Outcome& outcome = outcomes[i];
    if (domain::MayPass(outcome.reason)) step.answer.recalls[whose[i]] = ClaimRecall::kHeld;
    if (!outcome.ok()) continue;
    outcome.task->lock = commands[i].token;
    step.answer.now = outcome.now;
    step.answer.tasks[whose[i]].push_back(*std::move(outcome.task));
  }
  for (size_t i = 0; i < step.query.orders.size(); ++i) {
    if (step.answer.recalls[i] == ClaimRecall::kHeld) step.answer.tasks[i].clear();
    KeepBelow(step.query.orders[i].byte_limit, step.answer.tasks[i]);
  }
  return absl::OkStatus();
}

absl::StatusOr<Rows> Claimer::Remembered(const std::string& name_space,
                                         const std::vector<std::string>& tokens) const {
  absl::StatusOr<ConnectionPool::Lease> lease = read_.pool()->Acquire();
  if (!lease.ok()) return lease.status();
  return (*lease)->Execute(
      {kRemembered, {name_space, TextArray(tokens), AllBuckets(read_.buckets())}});
}

namespace {

// The tasks of a bucket that are being claimed: commands that start them, and whose they are.
struct Starts {
  std::vector<Command> commands;
  std::vector<Task> tasks;
  std::vector<size_t> orders;
  std::vector<std::string> places;
};

StatementCall CandidatesCall(const ClaimQuery& query, int bucket, int rows, const ClaimPlace& from,
                             const std::string& left_out) {
  StatementCall call{
      query.after.empty() ? kClaim : kClaimAfter,
      {absl::StrCat(bucket), query.name_space, absl::StrCat(rows), absl::StrCat(from.rank),
       absl::StrCat(from.available_us), from.id, absl::StrCat(limits::kClaimScan), left_out}};
  if (!query.after.empty()) call.values.push_back(TextArray(query.after));
  return call;
}

Command StartFor(const ClaimQuery& query, const ClaimOrder& order, const Task& task) {
  return {.key = task.key,
          .token = order.token,
          .action = domain::Start{.worker = order.worker, .lease = order.lease},
          .policy = query.policy};
}

// kRemember's values: each token with the ids of its tasks.
StatementCall RememberCall(const ClaimQuery& query, int bucket,
                           const std::vector<std::vector<std::string>>& ids, absl::Time now) {
  ArrayLiteral tokens, id_arrays;
  for (size_t order = 0; order < ids.size(); ++order) {
    if (ids[order].empty()) continue;
    tokens.AddText(query.orders[order].token);
    id_arrays.AddText(TextArray(ids[order]));
  }
  return {kRemember,
          {absl::StrCat(bucket), query.name_space, tokens.Take(), id_arrays.Take(),
           absl::StrCat(absl::ToUnixMicros(now))}};
}

// Reads the documents of candidates that came without, a few at a time as they are looked at.
class LateDocuments {
 public:
  LateDocuments(Connection& connection, int bucket, const Rows& rows)
      : connection_(connection), bucket_(bucket), rows_(rows) {}

  // NotFound: what is stored is not Tracker's.
  absl::Status AddTo(int row, Task& task) {
    if (rows_.Text(row, kClaimLeftOut) != "t") return absl::OkStatus();
    if (row >= read_) {
      if (absl::Status status = ReadFrom(row); !status.ok()) return status;
    }
    const auto found = documents_.find(task.key.id);
    if (found == documents_.end() || !found->second.errors.ok()) return absl::NotFoundError("");
    task.data = std::move(found->second.data);
    task.errors = *std::move(found->second.errors);
    return absl::OkStatus();
  }

 private:
  absl::Status ReadFrom(int row) {
    documents_.clear();
    std::vector<domain::TaskKey> keys;
    for (read_ = row; read_ < rows_.size() && keys.size() < limits::kDocumentsAtOnce; ++read_) {
      if (rows_.Text(read_, kClaimLeftOut) != "t") continue;
      keys.push_back({std::string(rows_.Text(read_, kClaimTask)),
                      std::string(rows_.Text(read_, kClaimTask + 1))});
    }
    absl::StatusOr<std::vector<Documents>> read = ReadDocuments(connection_, bucket_, keys);
    if (!read.ok()) return read.status();
    for (Documents& documents : *read) {
      std::string id = documents.key.id;
      documents_.emplace(std::move(id), std::move(documents));
    }
    return absl::OkStatus();
  }

  Connection& connection_;
  const int bucket_;
  const Rows& rows_;
  // The first row that ReadFrom has not looked at.
  int read_ = 0;
  absl::flat_hash_map<std::string, Documents> documents_;
};

}  // namespace

absl::Status Claimer::ClaimInBucket(Connection& connection, int bucket, int wanted, Step& step) {
  const ClaimQuery& query = step.query;
  Starts starts;
  ClaimPlace place = step.from;
  absl::Time now;
  const std::string left_out = TextArray(unreadable_.Of(query.name_space));
  // An entry that is there twice brings its task twice.
  absl::flat_hash_set<std::string> ids;
  bool begun = false;
  bool exhausted = false;
  const int most_sweeps = query.after.empty() ? kSweeps : kSweepsAfter;
  int sweeps = 0;
  while (wanted > 0 && step.deal.wanted() > 0 && step.bytes < limits::kClaimBytes && !exhausted) {
    const int rows_wanted = std::min(wanted, begun ? wanted : kFirstRows);
    const StatementCall call = CandidatesCall(query, bucket, rows_wanted, place, left_out);
    absl::StatusOr<Rows> rows = begun ? connection.Execute(call) : connection.Begin(call);
    if (!rows.ok()) return rows.status();
    begun = true;
    int found = 0;
    LateDocuments documents(connection, bucket, *rows);
    for (int row = 0; row < rows->size(); ++row) {
      now = absl::FromUnixMicros(rows->Int(row, kClaimClock)) + read_.ClockOffset();
      if (rows->IsNull(row, kClaimPlace)) continue;
      ++found;
      absl::StatusOr<Task> task = TaskFrom(*rows, row, kClaimTask);
      // A row that cannot be read must not stop the claims of all others.
      if (!task.ok()) continue;
      if (absl::Status read = documents.AddTo(row, *task); !read.ok()) {
        if (absl::IsNotFound(read)) continue;
        return read;
      }
      place = {-int64_t{task->priority}, absl::ToUnixMicros(task->available_time), task->key.id};
      if (!ids.insert(task->key.id).second) continue;
      const size_t bytes = step.deal.SizeOf(*task);
      const size_t order = step.deal.Deal(bytes);
      if (order == query.orders.size()) break;
      step.bytes += bytes;
      starts.commands.push_back(StartFor(query, query.orders[order], *task));
      starts.tasks.push_back(*std::move(task));
      starts.orders.push_back(order);
      starts.places.emplace_back(rows->Text(row, kClaimPlace));
    }
    wanted -= found;
    exhausted = found < rows_wanted;
    const bool in_the_way =
        found == 0 && starts.tasks.empty() && rows->Text(0, kClaimHasCandidates) == "t";
    if (!in_the_way) continue;
    absl::StatusOr<SweptReady> swept = SweepReady(connection, bucket, query.name_space, place);
    if (!swept.ok()) return swept.status();
    // What remains of them is held by others, or not ready: on behind it.
    if (swept->removed == 0 && swept->last) place = *swept->last;
    exhausted = swept->removed == 0 && !swept->last;
    if (!exhausted && ++sweeps == most_sweeps) {
      step.answer.next = EncodeClaimPlace(place);
      break;
    }
  }
  step.answer.now = now;
  if (exhausted && step.deal.wanted() > 0 && !query.after.empty()) {
    // Fewer than asked for: because there are no more, or because the step looked at as many as it
    // may.
    absl::StatusOr<Rows> last = connection.Execute(
        {kLastCandidate,
         {absl::StrCat(bucket), query.name_space, absl::StrCat(limits::kClaimScan),
          absl::StrCat(place.rank), absl::StrCat(place.available_us), place.id}});
    if (!last.ok()) return last.status();
    if (last->size() > 0) {
      step.answer.next =
          EncodeClaimPlace({last->Int(0, 0), last->Int(0, 1), std::string(last->Text(0, 2))});
    }
  }
  if (starts.tasks.empty()) {
    if (sweeps > 0) return connection.Commit();
    connection.Rollback();
    return absl::OkStatus();
  }
  const std::vector<const Command*> commands = domain::PointersTo(starts.commands);
  Batch batch(commands);
  for (size_t i = 0; i < starts.tasks.size(); ++i) {
    batch.Load(std::move(starts.tasks[i]), std::move(starts.places[i]));
  }
  batch.Run(now);
  std::vector<domain::Outcome> outcomes = batch.TakeOutcomes();
  std::vector<std::vector<std::string>> given(query.orders.size());
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i].ok()) given[starts.orders[i]].push_back(commands[i]->key.id);
  }
  Progress progress;
  const absl::Status committed = WriteAndCommit(connection, bucket, batch, now, &progress,
                                                {RememberCall(query, bucket, given, now)});
  if (absl::IsInvalidArgument(committed)) {
    // Most likely the same claim, sent twice, whose other one was first: which is remembered now.
    return absl::AbortedError(committed.message());
  }
  if (!committed.ok()) return committed;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i].ok()) {
      step.answer.tasks[starts.orders[i]].push_back(*std::move(outcomes[i].task));
    } else {
      step.answer.more = true;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<bool>> Claimer::HaveClaimable(
    const std::vector<std::string>& name_spaces) const {
  absl::StatusOr<Rows> rows =
      read_.Read({kHaveClaimable, {AllBuckets(read_.buckets()), TextArray(name_spaces)}});
  if (!rows.ok()) return rows.status();
  std::vector<bool> answer;
  answer.reserve(rows->size());
  for (int row = 0; row < rows->size(); ++row) answer.push_back(rows->Text(row, 0) == "t");
  return answer;
}

}  // namespace tracker::store::postgres
