#include "src/store/sqlite/claims.h"

#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/limits.h"
#include "src/store/batch.h"
#include "src/store/claim_deal.h"
#include "src/store/claim_place.h"
#include "src/store/sqlite/claim_memory.h"
#include "src/store/sqlite/task_row.h"

namespace tracker::store::sqlite {
namespace {

using domain::Task;
using domain::TaskKey;

// The words that let the index task_claimable serve.
constexpr absl::string_view kClaimable =
    " FROM task INDEXED BY task_claimable WHERE namespace = ? AND alarm_us = 0 "
    "AND status IN (0, 20)";

class Step {
 public:
  Step(Connection& connection, const ClaimQuery& query, absl::Time now)
      : connection_(connection), query_(query), now_(now), deal_(query.orders) {
    result_.answer = ClaimAnswer(query.orders.size());
    result_.answer.now = now;
  }

  absl::StatusOr<ClaimResult> Run(Refused& refused) {
    if (absl::Status status = Recall(refused); !status.ok()) return status;
    if (!query_.policy || !query_.policy->paused) {
      if (absl::Status status = Choose(refused); !status.ok()) return status;
      if (absl::Status status = Start(refused); !status.ok()) return status;
    }
    deal_.CopyRepeats(&result_.answer);
    return std::move(result_);
  }

 private:
  struct Chosen {
    Task task;
    int64_t row_id = 0;
    size_t order = 0;
  };

  // Gives the orders whose token is known what it still holds, renewed; they want no more.
  absl::Status Recall(Refused& refused) {
    for (size_t i = 0; i < query_.orders.size(); ++i) {
      const ClaimOrder& order = query_.orders[i];
      const absl::StatusOr<std::optional<std::vector<std::string>>> ids =
          RecallClaim(connection_, query_.name_space, order.token, now_);
      if (!ids.ok()) return ids.status();
      if (!*ids) continue;
      deal_.Close(i);
      result_.answer.recalls[i] = ClaimRecall::kRecalled;
      const absl::Status status = Renew(order, **ids, refused, result_.answer.tasks[i]);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status Renew(const ClaimOrder& order, const std::vector<std::string>& ids, Refused& refused,
                     std::vector<Task>& held) {
    std::vector<domain::Command> commands;
    commands.reserve(ids.size());
    for (const std::string& id : ids) {
      commands.push_back({.key = {query_.name_space, id},
                          .token = order.token,
                          .action = domain::Heartbeat{.lease = order.lease}});
    }
    const std::vector<const domain::Command*> pointers = domain::PointersTo(commands);
    Batch batch(pointers);
    const absl::StatusOr<std::vector<int64_t>> row_ids = LoadBatch(connection_, refused, batch);
    if (!row_ids.ok()) return row_ids.status();
    batch.Run(now_);
    const absl::StatusOr<bool> changed = WriteBatch(connection_, batch, *row_ids, now_, refused);
    if (!changed.ok()) return changed.status();
    result_.changed |= *changed;
    // Their data may have grown since they were handed out; the rest stays under its lock.
    size_t bytes = 0;
    for (domain::Outcome& outcome : batch.TakeOutcomes()) {
      if (!outcome.ok()) continue;
      bytes += domain::ByteSize(*outcome.task);
      if (bytes > order.byte_limit && !held.empty()) break;
      outcome.task->lock = order.token;
      held.push_back(*std::move(outcome.task));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Statement> Scan(const ClaimPlace& from) {
    absl::StatusOr<Statement> scan =
        connection_.Prepare(absl::StrCat("SELECT rank, available_us, id", kClaimable,
                                         " AND (rank, available_us, id) > (?, ?, ?)"
                                         " ORDER BY rank, available_us, id LIMIT ?"));
    if (!scan.ok()) return scan;
    scan->Bind(query_.name_space).Bind(from.rank).Bind(from.available_us).Bind(from.id);
    // One more tells whether the bound ended it.
    scan->Bind(int64_t{limits::kClaimScan} + 1);
    return scan;
  }

  // Deals claimable tasks to the orders, until these are filled, no task is left, or a bound is
  // reached.
  absl::Status Choose(const Refused& refused) {
    const absl::StatusOr<ClaimPlace> from = DecodeClaimPlace(query_.from);
    if (!from.ok()) return from.status();
    if (deal_.wanted() == 0) return absl::OkStatus();
    absl::StatusOr<Statement> scan = Scan(*from);
    if (!scan.ok()) return scan.status();
    absl::StatusOr<Statement> select = SelectByKey(connection_);
    if (!select.ok()) return select.status();
    std::optional<ClaimPlace> last;
    size_t bytes = 0;
    for (int scanned = 0; deal_.wanted() > 0; ++scanned) {
      const absl::StatusOr<bool> row = scan->Step();
      if (!row.ok()) return row.status();
      if (!*row) return absl::OkStatus();
      const bool full =
          scanned == limits::kClaimScan || static_cast<int>(chosen_.size()) == limits::kClaimTasks;
      if (full) return GoOnFrom(last);
      ClaimPlace place = {scan->Int(0), scan->Int(1), scan->Text(2)};
      absl::StatusOr<std::optional<Chosen>> found = Look(*select, place.id, refused);
      if (!found.ok()) return found.status();
      if (*found) {
        const size_t size = deal_.SizeOf((*found)->task);
        if (bytes + size > limits::kClaimBytes && !chosen_.empty()) return GoOnFrom(last);
        (*found)->order = deal_.Deal(size);
        if ((*found)->order == query_.orders.size()) return absl::OkStatus();
        bytes += size;
        chosen_.push_back(**std::move(found));
      }
      last = std::move(place);
    }
    return absl::OkStatus();
  }

  absl::Status GoOnFrom(const std::optional<ClaimPlace>& last) {
    if (last) result_.answer.next = EncodeClaimPlace(*last);
    return absl::OkStatus();
  }

  // None: it cannot be handed out now.
  absl::StatusOr<std::optional<Chosen>> Look(Statement& select, const std::string& id,
                                             const Refused& refused) {
    if (refused.contains({query_.name_space, id})) return std::nullopt;
    for (const std::string& name_space : query_.after) {
      const absl::StatusOr<bool> succeeded = HasSucceeded(connection_, {name_space, id});
      if (!succeeded.ok()) return succeeded.status();
      if (!*succeeded) return std::nullopt;
    }
    const absl::StatusOr<bool> row = select.Reuse().Bind(query_.name_space).Bind(id).Step();
    if (!row.ok()) return row.status();
    if (!*row) return std::nullopt;
    absl::StatusOr<Task> task = ReadTask(select);
    // Not Tracker's own row: it stops no other.
    if (!task.ok()) return std::nullopt;
    return Chosen{.task = *std::move(task), .row_id = ReadRowId(select)};
  }

  domain::Command StartOf(const Chosen& chosen) const {
    const ClaimOrder& order = query_.orders[chosen.order];
    return {.key = chosen.task.key,
            .token = order.token,
            .action =
                domain::Start{.worker = order.worker, .lease = order.lease, .after = query_.after},
            .policy = query_.policy};
  }

  // Starts what was chosen, as Apply decides, and writes it.
  absl::Status Start(Refused& refused) {
    if (chosen_.empty()) return absl::OkStatus();
    std::vector<domain::Command> commands;
    commands.reserve(chosen_.size());
    for (const Chosen& chosen : chosen_) commands.push_back(StartOf(chosen));
    const std::vector<const domain::Command*> pointers = domain::PointersTo(commands);
    Batch batch(pointers);
    std::map<TaskKey, int64_t> row_ids_by_key;
    for (Chosen& chosen : chosen_) {
      row_ids_by_key.emplace(chosen.task.key, chosen.row_id);
      batch.Load(std::move(chosen.task));
    }
    // In the order of the batch's keys.
    std::vector<int64_t> row_ids;
    row_ids.reserve(row_ids_by_key.size());
    for (const auto& [key, row_id] : row_ids_by_key) row_ids.push_back(row_id);
    if (absl::Status status = LoadPrerequisites(connection_, batch); !status.ok()) return status;
    batch.Run(now_);
    const absl::StatusOr<bool> changed = WriteBatch(connection_, batch, row_ids, now_, refused);
    if (!changed.ok()) return changed.status();
    result_.changed |= *changed;
    return HandOut(batch.TakeOutcomes());
  }

  absl::Status HandOut(std::vector<domain::Outcome> outcomes) {
    std::map<size_t, std::vector<Task>> given;
    for (size_t i = 0; i < chosen_.size(); ++i) {
      if (outcomes[i].ok()) {
        given[chosen_[i].order].push_back(*std::move(outcomes[i].task));
      } else {
        result_.answer.more = true;
      }
    }
    for (auto& [order, tasks] : given) {
      const absl::Status status =
          RememberClaim(connection_, query_.name_space, query_.orders[order].token, tasks, now_);
      if (!status.ok()) return status;
      result_.answer.tasks[order] = std::move(tasks);
    }
    return absl::OkStatus();
  }

  Connection& connection_;
  const ClaimQuery& query_;
  const absl::Time now_;
  ClaimDeal deal_;
  std::vector<Chosen> chosen_;
  ClaimResult result_;
};

}  // namespace

absl::StatusOr<ClaimResult> ClaimTasks(Connection& connection, const ClaimQuery& query,
                                       absl::Time now, Refused& refused) {
  return Step(connection, query, now).Run(refused);
}

absl::StatusOr<std::vector<bool>> HaveClaimable(Connection& connection,
                                                const std::vector<std::string>& name_spaces) {
  absl::StatusOr<Statement> select =
      connection.Prepare(absl::StrCat("SELECT 1", kClaimable, " LIMIT 1"));
  if (!select.ok()) return select.status();
  std::vector<bool> answer;
  answer.reserve(name_spaces.size());
  for (const std::string& name_space : name_spaces) {
    const absl::StatusOr<bool> row = select->Reuse().Bind(name_space).Step();
    if (!row.ok()) return row.status();
    answer.push_back(*row);
  }
  return answer;
}

}  // namespace tracker::store::sqlite
