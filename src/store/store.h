// The contract of a store: where tasks live. Two implementations, PostgreSQL and SQLite, pass one
// conformance suite (tests/conformance). All methods are thread-safe and block; call none of them
// from an RPC callback.
//
// Promises of every implementation
//  - What Apply answers is durable: committed, and flushed to disk, before it returns.
//  - Several stores may be open on one database at once, in one process or in many.
//  - `now` is the database's clock, whole microseconds.
//  - No exception leaves a method.
//  - No status or outcome has the database's own words (SQL, names of tables, its messages) in its
//    message, so that all of them may be shown to callers. They go to OpenOptions::on_event.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "src/base/limits.h"
#include "src/domain/command.h"
#include "src/domain/policy.h"
#include "src/domain/task.h"

namespace tracker::store {

// For whom the store is asked. Each kind has connections of its own, so that neither users nor
// operators can keep upkeep from going on.
enum class Purpose { kServe, kUpkeep, kJob };

// Asked by what may take long, again and again and from any thread: not OK, it ends with that.
// Empty: it goes on.
using GoOn = std::function<absl::Status()>;

enum class Order { kNewestFirst, kOldestFirst, kUpdatedFirst };

// Where a page ended: the last task's create_time (with kUpdatedFirst its update_time) and id.
struct Cursor {
  absl::Time time;
  std::string id;
};

struct ListQuery {
  std::string name_space;
  // Empty: all.
  std::vector<domain::Status> statuses;
  std::string id_prefix;
  // Empty: any.
  std::string worker;
  // Part of the message of one of the task's errors, ASCII letters in any case; empty: any.
  std::string error_text;
  // Of the last problem (domain::FingerprintOf); 0: any.
  int64_t error_fingerprint = 0;
  Order order = Order::kNewestFirst;
  int limit = 100;
  // The page ends before the tasks' domain::ByteSize passes this; but it has at least one task
  // where there is one.
  size_t byte_limit = 4 * 1024 * 1024;
  // None: from the start.
  std::optional<Cursor> after;
  // How many tasks to look at before the page ends, though short or empty.
  int scan_limit = limits::kPageScan;
  Purpose purpose = Purpose::kServe;
};

struct Page {
  // Without locks.
  std::vector<domain::Task> tasks;
  absl::Time now;
  // None after the last page.
  std::optional<Cursor> next;
  // How many tasks were looked at.
  int scanned = 0;
};

// What one Claim asks for.
struct ClaimOrder {
  // Becomes the lock of each task.
  std::string token;
  std::string worker;
  // None: as the policy says.
  std::optional<absl::Duration> lease;
  int limit = 1;
  // The tasks' domain::ByteSize in all stays below; but one task is always handed out.
  size_t byte_limit = limits::kAnswerBytes;
};

// Claims of one namespace that are served together.
struct ClaimQuery {
  std::string name_space;
  // As domain::Start::after.
  std::vector<std::string> after;
  // None: the defaults. A paused one: only what was claimed before with the same token.
  std::shared_ptr<const domain::Policy> policy;
  std::vector<ClaimOrder> orders;
  // Where to go on: the `next` of an answer.
  std::string from;
};

// Whether an order's token was used in a Claim before.
enum class ClaimRecall {
  // No: its tasks, if any, are handed out for the first time.
  kNew,
  // Yes: it has what the token still holds, each with its lease renewed. None: the token is spent.
  kRecalled,
  // Yes, but another transaction holds a row of what it held: it has nothing for now.
  kHeld,
};

struct ClaimAnswer {
  // For each order its tasks, with their lock.
  std::vector<std::vector<domain::Task>> tasks;
  // For each order.
  std::vector<ClaimRecall> recalls;
  absl::Time now;
  // Set when the step ended at its bound with orders unfilled: there may be more from here on.
  std::string next;
  // Tasks that were to be handed out turned out to have no attempt left, and are exhausted now:
  // there may be others.
  bool more = false;

  explicit ClaimAnswer(size_t orders = 0) : tasks(orders), recalls(orders, ClaimRecall::kNew) {}
};

// Tasks whose alarm has come.
struct DueQuery {
  int limit = limits::kReapBatch;
  Purpose purpose = Purpose::kUpkeep;
  // Write nothing: leave entries be that no task stands behind.
  bool only_look = false;
};

// Finished tasks of a namespace, to be purged.
struct FinishedQuery {
  std::string name_space;
  // Finished, and last changed, not after `now` less this.
  absl::Duration age;
  // Where to go on: the `next` of an answer.
  std::optional<Cursor> after;
  int limit = limits::kJobStep;
  Purpose purpose = Purpose::kUpkeep;
};
struct FinishedPage {
  std::vector<domain::TaskKey> keys;
  // `now` less the age: for domain::Purge.
  absl::Time before;
  int scanned = 0;
  // None after the last.
  std::optional<Cursor> next;
};

struct ErrorGroupQuery {
  std::string name_space;
  // Empty: all.
  std::vector<domain::Status> statuses;
  int limit = limits::kDefaultGroups;
  int scan_limit = limits::kGroupScan;
};
struct ErrorGroup {
  int64_t fingerprint = 0;
  int64_t count = 0;
  // Of the tasks' last problems.
  absl::Time first;
  absl::Time last;
  // The last one's task, and its message.
  std::string id;
  std::string message;
};
struct ErrorGroups {
  std::vector<ErrorGroup> groups;
  int64_t scanned = 0;
  // There are older ones that were not looked at.
  bool truncated = false;
};

struct CountMismatch {
  std::string name_space;
  domain::Status status = domain::Status::kPending;
  int64_t counted = 0;
  int64_t actual = 0;

  friend bool operator==(const CountMismatch&, const CountMismatch&) = default;
};
struct CountCheck {
  int64_t tasks = 0;
  std::vector<CountMismatch> mismatches;
};

// What can be wrong with something that is derived from the tasks.
enum class Fault {
  // A task has no entry where it must have one.
  kMissing,
  // An entry's task is gone.
  kOrphan,
  // An entry says otherwise than its task.
  kStale,
  // A task has an entry more than once.
  kDuplicate,
  // A counter differs from the number of tasks.
  kMiscount,
  // The database itself says that an index or a page is damaged.
  kDamage,
};
struct Finding {
  // The table.
  std::string where;
  Fault fault = Fault::kMissing;
  // How many there are, and the first limits::kFindingExamples of them, for people.
  int64_t count = 0;
  std::vector<std::string> examples;

  friend bool operator==(const Finding&, const Finding&) = default;
};
struct CheckReport {
  // Rows that were looked at, and about how many there are to look at.
  int64_t scanned = 0;
  int64_t total = 0;
  // Of what was found, how much was put right; and how much was left since somebody held it, or it
  // is beyond repair.
  int64_t repaired = 0;
  int64_t skipped = 0;
  std::vector<Finding> findings;
};
struct CheckOptions {
  bool repair = false;
  GoOn go_on;
  // Told how far it is, after each step; may be empty.
  std::function<void(const CheckReport&)> tell;
};

// Attempts that ended.
struct AttemptCount {
  int64_t ended = 0;
  int64_t failed = 0;

  friend bool operator==(const AttemptCount&, const AttemptCount&) = default;
};

// Of which attempts CountAttempts is to answer the number.
struct AttemptQuery {
  std::string name_space;
  // They ended within the last `window`, but after `since`.
  absl::Duration window;
  absl::Time since;
};

struct ApplyOptions {
  // How long to wait for rows that another transaction holds. Zero: for work that another will do,
  // or that comes again. Commands on rows that are held for longer are not tried: kHeld; nor are,
  // with zero, those whose tasks' documents are too much for one transaction: kDeferred.
  absl::Duration patience = limits::kHeldPatience;
  Purpose purpose = Purpose::kServe;
};

struct StatusCount {
  std::string name_space;
  domain::Status status = domain::Status::kPending;
  int64_t count = 0;

  friend bool operator==(const StatusCount&, const StatusCount&) = default;
};

struct CountQuery {
  // Empty: all namespaces.
  std::string name_space;
  // Only namespaces behind this one.
  std::string after;
  // How many namespaces, at most.
  int limit = limits::kNamePageSize;
};
struct CountPage {
  // By namespace, then status; zeros left out, so that there may be none. Exact for each namespace.
  std::vector<StatusCount> counts;
  // The `after` of the next page; empty: there is none.
  std::string next;
};

struct PolicyQuery {
  // Only those of namespaces behind this one.
  std::string after;
  int limit = limits::kNamePageSize;
};
struct PolicyPage {
  // By namespace.
  std::vector<domain::Policy> policies;
  // As CountPage's.
  std::string next;
};
struct PolicyChange {
  std::string name_space;
  // When it was set, or deleted, among all changes.
  int64_t revision = 0;
  // None: it was deleted.
  std::optional<domain::Policy> policy;
};

class Store {
 public:
  virtual ~Store() = default;

  // Applies the commands in their order and commits; the i-th outcome is the i-th command's.
  // Commands on one task take effect one after another, each on what the one before left. A refusal
  // or an error of one stops no other. When the database cannot be reached, every outcome that is
  // not known is kStoreUnavailable; applying the same commands (same tokens) again is then safe, as
  // long as nobody else has gone on from where they led.
  virtual std::vector<domain::Outcome> Apply(absl::Span<const domain::Command* const> commands,
                                             const ApplyOptions& options) = 0;
  std::vector<domain::Outcome> Apply(absl::Span<const domain::Command* const> commands) {
    return Apply(commands, {});
  }

  // One step of handing out claimable tasks: highest priority first, then available longest, dealt
  // to the orders one by one in turn. Durable as Apply. An order whose token was used in a Claim of
  // the last limits::kClaimMemory gets what of those tasks its token still holds, and no others: so
  // a step whose outcome is unknown may be repeated. Their leases begin anew, which is what tells
  // the server of an earlier answer that its tasks have reached somebody (domain::Release).
  virtual absl::StatusOr<ClaimAnswer> Claim(const ClaimQuery& query) = 0;

  // Which of the namespaces have a claimable task, as of now; cheap. The i-th answer is the i-th
  // namespace's.
  virtual absl::StatusOr<std::vector<bool>> HaveClaimable(
      const std::vector<std::string>& name_spaces) = 0;

  // The task without its lock; kTaskNotFound, or kStoreUnavailable.
  virtual domain::Outcome Get(const domain::TaskKey& key) = 0;

  // One page. Unavailable when the database cannot be reached.
  virtual absl::StatusOr<Page> List(const ListQuery& query) = 0;

  // One page of what the counters say; its cost does not grow with the tasks.
  virtual absl::StatusOr<CountPage> Count(const CountQuery& query) = 0;
  // All pages. Empty namespace: all.
  absl::StatusOr<std::vector<StatusCount>> Count(const std::string& name_space);

  // Up to `limit` tasks whose alarm_time has come, the earliest first. Locks nothing: apply Expire
  // to each. Alarms that no task stands behind are removed, and never listed.
  virtual absl::StatusOr<std::vector<domain::TaskKey>> ListDue(const DueQuery& query) = 0;
  absl::StatusOr<std::vector<domain::TaskKey>> ListDue(int limit) {
    return ListDue(DueQuery{.limit = limit});
  }

  // One step of looking for finished tasks to purge, oldest first. Locks nothing: apply Purge to
  // each.
  virtual absl::StatusOr<FinishedPage> ListFinished(const FinishedQuery& query) = 0;

  virtual absl::StatusOr<ErrorGroups> GroupErrors(const ErrorGroupQuery& query,
                                                  const GoOn& go_on) = 0;
  absl::StatusOr<ErrorGroups> GroupErrors(const ErrorGroupQuery& query) {
    return GroupErrors(query, GoOn());
  }

  // Recounts the tasks in one snapshot, and compares with what Count says in the same snapshot.
  virtual absl::StatusOr<CountCheck> CheckCounts(const GoOn& go_on) = 0;
  absl::StatusOr<CountCheck> CheckCounts() { return CheckCounts(GoOn()); }

  // Compares all that is derived from the tasks with the tasks: counters, and the entries and
  // indexes by which tasks are found. With `repair` it is put right, in bounded steps, while others
  // write; what is done stays done, and it may be repeated. A change that others commit meanwhile
  // is never taken for a fault.
  virtual absl::StatusOr<CheckReport> Check(const CheckOptions& options) = 0;

  // Policies. Set answers the policy as it is stored, with its new revision and update_time. With
  // `revision` it is set only if the stored one has that revision (0: there is none); else Aborted.
  virtual absl::StatusOr<domain::Policy> SetPolicy(const domain::Policy& policy,
                                                   std::optional<int64_t> revision) = 0;
  // None: there is none.
  virtual absl::StatusOr<std::optional<domain::Policy>> GetPolicy(
      const std::string& name_space) = 0;
  virtual absl::StatusOr<PolicyPage> ListPolicies(const PolicyQuery& query) = 0;
  // All pages.
  absl::StatusOr<std::vector<domain::Policy>> ListPolicies();
  // Also when there is none.
  virtual absl::Status DeletePolicy(const std::string& name_space) = 0;
  // Grows with each change of a policy, and is then that policy's revision.
  virtual absl::StatusOr<int64_t> PolicyVersion() = 0;
  // The changes of higher revisions than `since`, by revision, at most `limit`; of a policy that
  // was changed several times the last one. OutOfRange when a deletion since then is forgotten
  // (limits::kPolicyMemory): read all policies instead.
  virtual absl::StatusOr<std::vector<PolicyChange>> ListPolicyChanges(int64_t since, int limit) = 0;

  // Attempts that ended. Counted only for commands whose policy has pause_on_failure; to the
  // second: by the second, rounded down, in which they ended. The i-th answer is the i-th query's.
  virtual absl::StatusOr<std::vector<AttemptCount>> CountAttempts(
      const std::vector<AttemptQuery>& queries) = 0;
  absl::StatusOr<AttemptCount> CountAttempts(const std::string& name_space, absl::Duration window,
                                             absl::Time since);
  // The namespaces of which any attempts are counted, in order, those behind `after`; cheap when
  // there are few, however many namespaces there are.
  virtual absl::StatusOr<std::vector<std::string>> ListAttempted(const std::string& after,
                                                                 int limit) = 0;

  // Folds what commits have added to the counters, forgets old claims, and whatever else keeps the
  // store quick, in a bounded step; to be called now and then, by any number of servers. All is
  // right without it, only slower.
  virtual absl::Status Tidy() = 0;

  // Clears away what slows the store down and takes longer than a bounded step: for a thread of its
  // own, now and then. Backs off by itself where it does not help.
  virtual absl::Status Vacuum(const GoOn& go_on) = 0;

  // Whether the database answers, and can and may be written. ForLog of its answer says why not.
  virtual absl::Status Ping() = 0;

  // How many Apply calls at once are of use.
  virtual int WriterLanes() const = 0;
};

// Something that whoever runs the server should know of.
struct StoreEvent {
  enum class Level { kDebug, kInfo, kWarn, kError };
  Level level = Level::kWarn;
  // What happened: a constant of the program in snake_case.
  const char* name = "";
  // The database's code for it: a SQLSTATE, or SQLite's number. Empty: it has none.
  std::string code;
  // In the database's own words, on one line: for the log, never for a caller. It has no passwords
  // and no values of rows.
  std::string text;
};

struct OpenOptions {
  // Apply the migrations that the database lacks; otherwise refuse a database that lacks some.
  bool migrate = true;
  // How many threads call Get, List and Count; the connections of others come on top.
  int readers = 2;
  int writers = 2;
  // Added to the database's clock. For tests, which move time by it; read at each use.
  std::function<absl::Duration()> clock_offset;
  // Told of each error of the database as it happens, from any thread, and so perhaps very often;
  // must not block. None: nobody is told.
  std::function<void(const StoreEvent&)> on_event;
};

// Opens the store of a URL: "sqlite:PATH", "postgresql://user@host/db" (also "postgres://"), or
// libpq's keywords, "host=... dbname=...". The error says in one line why it cannot be opened and
// what to do: InvalidArgument for the URL, FailedPrecondition for what is there, Unavailable for a
// database that does not answer. It may show the database's own words, but no password.
absl::StatusOr<std::unique_ptr<Store>> Open(const std::string& url, const OpenOptions& options);

// The URL without its passwords, for logs. Of one that cannot be read, nothing but its kind.
std::string WithoutPassword(const std::string& url);

// Why a method failed, for the log: with the database's own words, which are not in the status's
// message.
std::string ForLog(const absl::Status& status);

}  // namespace tracker::store
