#include "src/store/postgres/commit_fate.h"

#include <chrono>
#include <optional>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace tracker::store::postgres {
namespace {

// A server that restarts is back within this, mostly; a caller waits for longer.
constexpr std::chrono::seconds kPatience(5);
constexpr absl::Duration kLongestPause = absl::Milliseconds(100);

const Statement kFate = {"fate", "SELECT pg_xact_status($1::xid8)"};
// By its transaction too: the process may be another's by now. One that waits for a synchronous
// standby has written its commit; ending it would have it seen before the standby has it.
const Statement kEnd = {"end_backend",
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE pid = $1::int AND backend_xid = $2::xid8::xid"
                        " AND wait_event IS DISTINCT FROM 'SyncRep'"};

// None: it is not known yet.
std::optional<CommitFate> Ask(ConnectionPool& pool, const TransactionName& name) {
  absl::StatusOr<ConnectionPool::Lease> lease = pool.Acquire();
  if (!lease.ok()) return std::nullopt;
  Connection& connection = **lease;
  if (connection.history() != name.history) return CommitFate::kUnknown;
  const absl::StatusOr<Rows> fate = connection.Execute({kFate, {name.transaction}});
  if (!fate.ok()) {
    // One that the server has never had (22023) is not this server's.
    if (absl::IsInvalidArgument(fate.status())) return CommitFate::kUnknown;
    return std::nullopt;
  }
  if (fate->Text(0, 0) == "committed") return CommitFate::kCommitted;
  if (fate->Text(0, 0) == "aborted") return CommitFate::kAborted;
  // Too long ago for the server to remember.
  if (fate->IsNull(0, 0)) return CommitFate::kUnknown;
  (void)connection.Execute({kEnd, {absl::StrCat(name.process_id), name.transaction}});
  return std::nullopt;
}

}  // namespace

CommitFate FateOf(ConnectionPool& pool, const TransactionName& name) {
  if (name.transaction.empty() || name.history.empty()) return CommitFate::kUnknown;
  thread_local absl::BitGen random;
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (true) {
    if (const std::optional<CommitFate> fate = Ask(pool, name)) return *fate;
    if (std::chrono::steady_clock::now() >= end) return CommitFate::kUnknown;
    absl::SleepFor(kLongestPause * absl::Uniform(random, 0.1, 1.0));
  }
}

}  // namespace tracker::store::postgres
