// The contract of a store: where tasks live. Two implementations, PostgreSQL and SQLite, pass one
// conformance suite (tests/conformance). All methods are thread-safe and block; call none of them
// from an RPC callback.
//
// Promises of every implementation
//  - What Apply answers is durable: committed, and flushed to disk, before it returns.
//  - Several stores may be open on one database at once, in one process or in many.
//  - `now` is the database's clock, whole microseconds.
//  - No exception leaves a method.
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
#include "src/domain/command.h"
#include "src/domain/task.h"

namespace tracker::store {

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
  Order order = Order::kNewestFirst;
  int limit = 100;
  // The page ends before the tasks' domain::ByteSize passes this; but it has at least one task
  // where there is one.
  size_t byte_limit = 4 * 1024 * 1024;
  // None: from the start.
  std::optional<Cursor> after;
};

struct Page {
  // Without locks.
  std::vector<domain::Task> tasks;
  absl::Time now;
  // None after the last page.
  std::optional<Cursor> next;
};

struct StatusCount {
  std::string name_space;
  domain::Status status = domain::Status::kPending;
  int64_t count = 0;

  friend bool operator==(const StatusCount&, const StatusCount&) = default;
};

class Store {
 public:
  virtual ~Store() = default;

  // Applies the commands in their order and commits; the i-th outcome is the i-th command's.
  // Commands on one task take effect one after another, each on what the one before left. A refusal
  // or an error of one stops no other. When the database cannot be reached, every outcome that is
  // not known is kStoreUnavailable; applying the same commands (same tokens) again is then safe.
  virtual std::vector<domain::Outcome> Apply(absl::Span<const domain::Command* const> commands) = 0;

  // The task without its lock; kTaskNotFound, or kStoreUnavailable.
  virtual domain::Outcome Get(const domain::TaskKey& key) = 0;

  // One page. Unavailable when the database cannot be reached.
  virtual absl::StatusOr<Page> List(const ListQuery& query) = 0;

  // Exact, from counters; by namespace, then status; zeros left out. Empty namespace: all.
  virtual absl::StatusOr<std::vector<StatusCount>> Count(const std::string& name_space) = 0;

  // Up to `limit` tasks whose lease is over, the longest over first. Locks nothing: apply Expire to
  // each to end it.
  virtual absl::StatusOr<std::vector<domain::TaskKey>> ListExpired(int limit) = 0;

  // Folds what commits have added to the counters, in a bounded step; to be called now and then, by
  // any number of servers. Count is exact without it, only slower.
  virtual absl::Status FoldCounts() = 0;

  // Whether the database answers and can be written.
  virtual absl::Status Ping() = 0;

  // How many Apply calls at once are of use.
  virtual int WriterLanes() const = 0;
};

struct OpenOptions {
  // Apply the migrations that the database lacks; otherwise refuse a database that lacks some.
  bool migrate = true;
  // Connections for Get, List and Count; those of Apply come on top.
  int readers = 2;
  int writers = 2;
  // Added to the database's clock. For tests, which move time by it; read at each use.
  std::function<absl::Duration()> clock_offset;
};

// Opens the store of a URL: "sqlite:PATH", or "postgresql://user@host/db" (also "postgres://"). The
// error says in one line why it cannot be opened and what to do: InvalidArgument for the URL,
// FailedPrecondition for what is there, Unavailable for a database that does not answer.
absl::StatusOr<std::unique_ptr<Store>> Open(const std::string& url, const OpenOptions& options);

// The URL without a password, for logs.
std::string WithoutPassword(const std::string& url);

}  // namespace tracker::store
