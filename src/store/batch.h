// One transaction's worth of commands, in memory: what both stores do between locking the rows and
// writing them back. Not thread-safe; one thread builds, loads, runs and reads it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "src/domain/command.h"
#include "src/domain/task.h"
#include "src/domain/transition.h"
#include "src/store/store.h"

namespace tracker::store {

class Batch {
 public:
  // One task of the batch, before and after. Equal where nothing changed.
  struct Row {
    std::optional<domain::Task> before;
    std::optional<domain::Task> after;
    bool changed = false;
    // Where the store found it; its own business.
    std::string place;

    // Deleted and made anew within the batch: another task, and so another row, of the same name.
    bool replaced() const { return before && after && before->create_time != after->create_time; }
  };
  // The attempts that ended, by namespace; only of commands whose policy counts them.
  using AttemptDeltas = std::map<std::string, AttemptCount>;
  // How the number of tasks of a namespace and status changes.
  using CountDeltas = std::map<std::pair<std::string, domain::Status>, int64_t>;

  // `commands` must outlive the batch.
  explicit Batch(absl::Span<const domain::Command* const> commands);

  // The tasks to lock, in key order, each once. In this order no two stores can wait for each
  // other.
  const std::vector<domain::TaskKey>& keys() const { return keys_; }

  // A task as it was found, and where; those not loaded are not there. Before Run.
  void Load(domain::Task task, std::string place = "");

  // The tasks that starts want to have succeeded (Start::after), in key order, each once; without
  // those that are keys(). Nothing of them is written, and they need not be locked.
  const std::vector<domain::TaskKey>& prerequisites() const { return prerequisites_; }
  // One of them has succeeded. Before Run.
  void LoadSucceeded(const domain::TaskKey& key);

  // Whether some command needs the data and errors of keys()[i], be it for its answer. A large one
  // of the others is best loaded without (Task::documents_left_out).
  bool WantsDocuments(size_t i) const { return wants_documents_[i]; }
  // The tasks that were loaded without, and are wanted with. After the last Load.
  std::vector<domain::TaskKey> WantedDocuments() const;
  // The documents of one of them. Before Run.
  void LoadDocuments(const domain::TaskKey& key, std::string data,
                     std::vector<domain::TaskError> errors);

  // The row of this key is out of reach: each of its commands gets `reason` and `message`, and
  // changes nothing. Before Run.
  void Exclude(const domain::TaskKey& key, domain::Reason reason, std::string message);

  // Applies the commands in their order at `now`.
  void Run(absl::Time now);

  // After Run: whether there is anything to write.
  bool changed() const;
  // After Run. rows()[i] belongs to keys()[i].
  const std::vector<Row>& rows() const { return rows_; }
  CountDeltas Deltas() const;
  const AttemptDeltas& attempts() const { return attempts_; }
  // The i-th outcome is the i-th command's. Leaves the batch without them.
  std::vector<domain::Outcome> TakeOutcomes() { return std::move(outcomes_); }

 private:
  struct Excluded {
    domain::Reason reason;
    std::string message;
  };

  size_t IndexOf(const domain::TaskKey& key) const;
  // Of Start::after, where the task has not succeeded.
  std::vector<std::string> Unmet(const domain::Command& command) const;
  void CountAttempt(const domain::Command& command, domain::AttemptEnd ended);

  absl::Span<const domain::Command* const> commands_;
  std::vector<domain::TaskKey> keys_;
  std::vector<Row> rows_;
  std::vector<bool> wants_documents_;
  std::vector<domain::TaskKey> prerequisites_;
  absl::flat_hash_set<domain::TaskKey> succeeded_;
  AttemptDeltas attempts_;
  absl::flat_hash_map<size_t, Excluded> excluded_;
  std::vector<domain::Outcome> outcomes_;
};

}  // namespace tracker::store
