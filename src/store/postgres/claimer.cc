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
#include "src/store/postgres/entry_sweep.h"
#include "src/store/postgres/statements.h"
#include "src/store/postgres/writer.h"

namespace tracker::store::postgres {
namespace {

using domain::Command;
using domain::Task;

// Another transaction's, or a lost connection: as of Writer.
constexpr int kMaxTries = 5;
// Tasks that are read at once: one that turns out not to fit has been read for nothing.
constexpr int kFirstRows = 256;
// How often one step looks at limits::kClaimScan candidates of which none is to be had.
constexpr int kSweeps = 4;
// The column of kClaim behind those of a task.
constexpr int kHasCandidates = 2 + kTaskColumns;

std::string TextArray(const std::vector<std::string>& texts) {
  ArrayLiteral array;
  for (const std::string& text : texts) array.AddText(text);
  return array.Take();
}

}  // namespace

// One claim on its way.
struct Claimer::Step {
  explicit Step(const ClaimQuery& claim) : query(claim), deal(claim.orders) {
    answer.tasks.resize(claim.orders.size());
  }

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
  absl::StatusOr<ConnectionPool::Lease> lease = read_.pool()->Acquire();
  if (!lease.ok()) return lease.status();
  Connection& connection = **lease;
  if (absl::Status recalled = Recall(connection, step); !recalled.ok()) return recalled;
  const bool paused = query.policy && query.policy->paused;
  const int wanted = paused ? 0 : std::min(step.deal.wanted(), limits::kClaimTasks);
  if (wanted == 0) return std::move(step).Finish();
  absl::StatusOr<std::vector<int>> shares = Shares(connection, query, wanted);
  if (!shares.ok()) return shares.status();
  for (int bucket = 0; bucket < read_.buckets(); ++bucket) {
    if ((*shares)[bucket] == 0) continue;
    absl::Status claimed = ClaimInBucket(connection, bucket, (*shares)[bucket], step);
    if (!claimed.ok()) {
      connection.Rollback();
      return claimed;
    }
  }
  return std::move(step).Finish();
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

absl::Status Claimer::Recall(Connection& connection, Step& step) const {
  absl::flat_hash_map<std::string, size_t> orders;
  std::vector<std::string> tokens;
  for (size_t i = 0; i < step.query.orders.size(); ++i) {
    // Of those with the same token the first counts.
    orders.emplace(step.query.orders[i].token, i);
    tokens.push_back(step.query.orders[i].token);
  }
  absl::StatusOr<Rows> rows = connection.Execute(
      {kRemembered, {step.query.name_space, TextArray(tokens), AllBuckets(read_.buckets())}});
  if (!rows.ok()) return rows.status();
  struct Remembered {
    std::string token;
    std::vector<domain::TaskKey> keys;
  };
  std::map<std::pair<int64_t, size_t>, Remembered> claims;
  for (int row = 0; row < rows->size(); ++row) {
    const size_t order = orders.at(std::string(rows->Text(row, 0)));
    Remembered& claim = claims[{rows->Int(row, 2), order}];
    claim.token = std::string(rows->Text(row, 0));
    claim.keys.push_back({step.query.name_space, std::string(rows->Text(row, 1))});
  }
  for (const auto& [place, claim] : claims) {
    std::vector<std::string> values = KeyValues(static_cast<int>(place.first), claim.keys);
    values.push_back(claim.token);
    absl::StatusOr<Rows> held = connection.Execute({kHeldBy, values});
    if (!held.ok()) return held.status();
    for (int row = 0; row < held->size(); ++row) {
      absl::StatusOr<Task> task = TaskFrom(*held, row, 1);
      if (!task.ok()) return task.status();
      step.answer.now = absl::FromUnixMicros(held->Int(row, 0)) + read_.ClockOffset();
      step.answer.tasks[place.second].push_back(*std::move(task));
    }
    step.deal.Close(place.second);
  }
  return absl::OkStatus();
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
StatementCall RememberCall(const ClaimQuery& query, int bucket, const Starts& starts,
                           absl::Time now) {
  std::vector<std::vector<std::string>> ids(query.orders.size());
  for (size_t i = 0; i < starts.tasks.size(); ++i) {
    ids[starts.orders[i]].push_back(starts.commands[i].key.id);
  }
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
  int sweeps = 0;
  while (wanted > 0 && step.deal.wanted() > 0 && step.bytes < limits::kClaimBytes && !exhausted) {
    const int rows_wanted = std::min(wanted, begun ? wanted : kFirstRows);
    const StatementCall call = CandidatesCall(query, bucket, rows_wanted, place, left_out);
    absl::StatusOr<Rows> rows = begun ? connection.Execute(call) : connection.Begin(call);
    if (!rows.ok()) return rows.status();
    begun = true;
    int found = 0;
    for (int row = 0; row < rows->size(); ++row) {
      now = absl::FromUnixMicros(rows->Int(row, 0)) + read_.ClockOffset();
      if (rows->IsNull(row, 1)) continue;
      ++found;
      absl::StatusOr<Task> task = TaskFrom(*rows, row, 2);
      // A row that cannot be read must not stop the claims of all others.
      if (!task.ok()) continue;
      place = {-int64_t{task->priority}, absl::ToUnixMicros(task->available_time), task->key.id};
      if (!ids.insert(task->key.id).second) continue;
      const size_t bytes = step.deal.SizeOf(*task);
      const size_t order = step.deal.Deal(bytes);
      if (order == query.orders.size()) break;
      step.bytes += bytes;
      starts.commands.push_back(StartFor(query, query.orders[order], *task));
      starts.tasks.push_back(*std::move(task));
      starts.orders.push_back(order);
      starts.places.emplace_back(rows->Text(row, 1));
    }
    wanted -= found;
    exhausted = found < rows_wanted;
    const bool in_the_way = found == 0 && starts.tasks.empty() && query.after.empty() &&
                            rows->Text(0, kHasCandidates) == "t";
    if (!in_the_way) continue;
    absl::StatusOr<SweptReady> swept = SweepReady(connection, bucket, query.name_space, place);
    if (!swept.ok()) return swept.status();
    // What remains of them is held by others: on behind it.
    if (swept->removed == 0 && swept->last) place = *swept->last;
    exhausted = swept->removed == 0 && !swept->last;
    if (!exhausted && ++sweeps == kSweeps) {
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
  const absl::Status committed =
      WriteAndCommit(connection, bucket, batch, now, {RememberCall(query, bucket, starts, now)});
  if (absl::IsInvalidArgument(committed)) {
    // Most likely the same claim, sent twice, whose other one was first: which is remembered now.
    return absl::AbortedError(committed.message());
  }
  if (!committed.ok()) return committed;
  std::vector<domain::Outcome> outcomes = batch.TakeOutcomes();
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (!outcomes[i].ok() || !outcomes[i].task) continue;
    step.answer.tasks[starts.orders[i]].push_back(*std::move(outcomes[i].task));
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
