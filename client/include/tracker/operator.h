// For those who look after the work: policies, updates of many tasks at once, errors in groups, and
// what trackerd does in the background, by hand. Workers need only client.h.
//
//   auto ops = tracker::Operator::Connect("tracker:7070");
//   auto done = ops->BulkUpdate({.name_space = "invoices", .action = tracker::BulkAction::kRetry});
//
// Thread-safe. Calls that answer at once are repeated while the server is UNAVAILABLE, until
// ClientOptions::deadline. A job is repeated so only until its first sign of life; it then takes as
// long as it takes, and stops where `cancel` does or the connection is lost. What it has done stays
// done, and it may be begun again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tracker/client.h"
#include "tracker/policy.h"
#include "tracker/task.h"

namespace tracker {

// The numbers are those on the wire.
enum class BulkAction {
  // Failed and exhausted tasks become pending at once, with no attempts counted.
  kRetry = 1,
  kIgnore = 2,
  kReset = 3,
  kDelete = 4,
};

struct BulkOptions {
  std::string name_space;
  BulkAction action = BulkAction::kRetry;
  // Which tasks, as in ListOptions.
  std::vector<TaskStatus> statuses;
  std::string id_prefix;
  std::string worker;
  std::string error_text;
  std::string error_fingerprint;
  // Only count what matches.
  bool dry_run = false;
  // At most so many tasks a second. 0: as fast as they can be written.
  int max_per_second = 0;
  // Also tasks that a worker holds; the holder is fenced out.
  bool force = false;
};

// How far a job is. What a job does not count stays 0.
struct JobProgress {
  // Tasks that were looked at.
  int64_t scanned = 0;
  // Tasks that are to be changed.
  int64_t matched = 0;
  // Tasks that were changed.
  int64_t updated = 0;
  // Tasks that were left alone: they changed meanwhile, or are held.
  int64_t skipped = 0;
  // About how many tasks there are to look at; 0: unknown.
  int64_t total = 0;
};

// Tasks whose last error reads the same but for digits and quoted parts.
struct ErrorGroup {
  // For ListOptions and BulkOptions.
  std::string fingerprint;
  int64_t count = 0;
  // The earliest and the latest of their last errors.
  absl::Time first_time;
  absl::Time last_time;
  // The message of the latest, and the id of its task.
  std::string example;
  std::string example_id;
};

struct ErrorGroups {
  // The most frequent first.
  std::vector<ErrorGroup> groups;
  // How many tasks with errors were looked at, the newest first.
  int64_t scanned = 0;
  // There are older ones that were not looked at.
  bool truncated = false;
};

// A counter that is wrong.
struct CountMismatch {
  std::string name_space;
  TaskStatus status = TaskStatus::kUnknown;
  int64_t counted = 0;
  int64_t actual = 0;
};

struct CountCheck {
  // How many tasks there are.
  int64_t tasks = 0;
  // Empty: all counters are right.
  std::vector<CountMismatch> mismatches;
};

// What can be wrong with something that is derived from the tasks. The numbers are those on the
// wire.
enum class Fault {
  kUnknown = 0,
  // A task has no entry where it must have one.
  kMissing = 1,
  // An entry's task is gone.
  kOrphan = 2,
  // An entry says otherwise than its task.
  kStale = 3,
  // A task has the same entry more than once.
  kDuplicate = 4,
  // A counter differs from the number of tasks.
  kMiscount = 5,
  // The database says that an index or the file is damaged.
  kDamage = 6,
};

// One kind of fault in one table.
struct Finding {
  std::string table;
  Fault fault = Fault::kUnknown;
  int64_t count = 0;
  // A few of them: "namespace/id" of tasks and entries.
  std::vector<std::string> examples;
};

struct CheckReport {
  // Tasks and entries that were looked at, and about how many there are; 0: unknown.
  int64_t scanned = 0;
  int64_t total = 0;
  // Of what was found, how much was put right, and how much was left.
  int64_t repaired = 0;
  int64_t skipped = 0;
  // Empty: all is right.
  std::vector<Finding> findings;
};

class Operator {
 public:
  // Told now and then, at least once a second, on the thread of the call.
  using OnProgress = std::function<void(const JobProgress&)>;

  using OnReport = std::function<void(const CheckReport&)>;

  // As Client::Connect.
  static std::shared_ptr<Operator> Connect(const std::string& addresses,
                                           ClientOptions options = {});
  ~Operator();
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;

  // Replaces the namespace's policy; every server follows it within a second. Answers it as it
  // holds now. Idempotent.
  absl::StatusOr<Policy> SetPolicy(const Policy& policy);
  // The defaults where there is none.
  absl::StatusOr<Policy> GetPolicy(const std::string& name_space);
  // All of them, by namespace, a thousand a call to the server.
  absl::StatusOr<std::vector<Policy>> ListPolicies();
  // The defaults hold again. Idempotent.
  absl::Status DeletePolicy(const std::string& name_space);

  // The most frequent last errors, of tasks with one of these statuses (empty: any); at most
  // `limit` groups, 1 to 100.
  absl::StatusOr<ErrorGroups> GroupErrors(const std::string& name_space,
                                          const std::vector<TaskStatus>& statuses = {},
                                          int limit = 10);

  // Retries, ignores, resets or deletes all tasks that the filters match, in bounded steps.
  // Cancelled once `cancel` has stopped.
  absl::StatusOr<JobProgress> BulkUpdate(const BulkOptions& options,
                                         const OnProgress& on_progress = nullptr,
                                         std::stop_token cancel = {});
  // Ends what is over, leases and waits: what the reaper does.
  absl::StatusOr<JobProgress> Expire(bool dry_run, const OnProgress& on_progress = nullptr,
                                     std::stop_token cancel = {});
  // Deletes finished tasks that are older than their namespace's retention: what the purge does.
  // Empty `name_space`: of all.
  absl::StatusOr<JobProgress> Purge(const std::string& name_space, bool dry_run,
                                    const OnProgress& on_progress = nullptr,
                                    std::stop_token cancel = {});

  // Recounts all tasks and compares with the counters. Reads the whole table, for which the
  // deadline may have to be longer.
  absl::StatusOr<CountCheck> CheckCounts();

  // Compares all that is derived from the tasks (counters, and the entries and indexes by which
  // tasks are found) with the tasks.
  absl::StatusOr<CheckReport> Check(const OnReport& on_report = nullptr,
                                    std::stop_token cancel = {});
  // The same, and puts right what is wrong, in bounded steps, while all servers go on. It may be
  // repeated.
  absl::StatusOr<CheckReport> Repair(const OnReport& on_report = nullptr,
                                     std::stop_token cancel = {});

 private:
  class Impl;
  explicit Operator(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace tracker
