// The use cases of Tracker over a store: writes through lanes that batch naturally, reads through a
// few threads, the reaper, the health of the store. Everything is asynchronous: no call blocks or
// touches the database, so RPC callbacks may call it.
//
// Thread-safe. Each callback is called exactly once: on a lane's or a reader's thread, or at once
// on the caller's when the call is turned away. Callbacks must not block.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/base/limits.h"
#include "src/domain/command.h"
#include "src/domain/policy.h"
#include "src/store/store.h"

namespace tracker::service {

// What is known of the caller while its call waits.
struct CallContext {
  // Past it the call is dropped before it costs anything. On the monotonic clock
  // (base::MonotonicNow), which no step of the wall clock moves.
  absl::Time deadline = absl::InfiniteFuture();
  // Set by the caller when nobody waits for the answer any more; may be null.
  std::shared_ptr<const std::atomic<bool>> cancelled;
};

struct ListRequest {
  // All but limit's page cursor; `after` is taken from page_token.
  store::ListQuery query;
  std::string page_token;
};

struct ListAnswer {
  std::vector<domain::Task> tasks;
  absl::Time now;
  std::string next_page_token;
};

struct CountRequest {
  // `after` is taken from page_token.
  store::CountQuery query;
  std::string page_token;
};
struct CountAnswer {
  std::vector<store::StatusCount> counts;
  std::string next_page_token;
};

struct PoliciesRequest {
  int page_size = limits::kNamePageSize;
  std::string page_token;
};
struct PoliciesAnswer {
  std::vector<domain::Policy> policies;
  std::string next_page_token;
};

struct ClaimRequest {
  std::string name_space;
  // As domain::Start::after.
  std::vector<std::string> after;
  // 1 to limits::kClaimTasks.
  int limit = 1;
  std::string worker;
  // None: as the policy says.
  std::optional<absl::Duration> lease;
  // How long to wait for a task where there is none.
  absl::Duration wait = absl::ZeroDuration();
  // The lock to take.
  std::string token;
};
struct ClaimResult {
  // kOk, also with no tasks; else why not, without a task.
  domain::Outcome refusal;
  // With their lock.
  std::vector<domain::Task> tasks;
  // The tasks were handed out before, and may have reached the worker then: they are nobody's to
  // give back.
  bool recalled = false;
  absl::Time now;
};

enum class BulkAction { kRetry, kIgnore, kReset, kDelete };
struct BulkRequest {
  // The filters. Its limit, order, cursor and bounds are the job's own.
  store::ListQuery filter;
  BulkAction action = BulkAction::kRetry;
  bool dry_run = false;
  // Tasks a second; 0: no limit.
  int max_per_second = 0;
  // Also tasks that a worker holds.
  bool force = false;
};
// How far a job is. Expire counts what it found as matched, Purge too.
struct JobProgress {
  int64_t scanned = 0;
  int64_t matched = 0;
  int64_t updated = 0;
  // Changed meanwhile, held, or gone.
  int64_t skipped = 0;
  // About how many there are to look at; 0: unknown.
  int64_t total = 0;
};

struct TrackerOptions {
  // 0: as many as the store has use for.
  int lanes = 0;
  size_t lane_queue_commands = limits::kLaneQueueCommands;
  size_t lane_queue_bytes = limits::kLaneQueueBytes;
  int readers = 2;
  // How often leases that are over are looked for (with none found, and jittered). A quarter second
  // keeps 'in bounded time' well under the shortest useful lease, at four cheap statements a
  // second.
  absl::Duration reap_interval = absl::Milliseconds(250);
  absl::Duration ping_interval = absl::Seconds(1);
  // How often finished tasks past their retention are looked for, in namespaces that have one and
  // in which such tasks keep being found (purge.h); each look is a walk in bounded steps.
  absl::Duration purge_interval = absl::Minutes(1);
  // False: it is done by hand only (ExpireAll, PurgeAll).
  bool reap = true;
  bool purge = true;
  // How often a change of a policy by another server is looked for: well within the second that is
  // promised.
  absl::Duration policy_interval = absl::Milliseconds(500);
  // How often a namespace's waiting Claims look for what other servers have made available; with
  // the reaper's interval well within the second that is promised.
  absl::Duration claim_interval = absl::Milliseconds(650);
  // Told whenever the store goes away or comes back, from a thread of the service; once at the
  // start, with what is so then. `reason`: for the log, why it is not healthy.
  std::function<void(bool healthy, const std::string& reason)> on_health;
  // Told when this server has paused a namespace since most of its attempts failed, with the policy
  // as it is stored now; from a thread of the service.
  std::function<void(const domain::Policy& policy)> on_pause;
};

class Tracker {
 public:
  using OutcomeCallback = absl::AnyInvocable<void(domain::Outcome)>;
  using OutcomesCallback = absl::AnyInvocable<void(std::vector<domain::Outcome>)>;
  using ListCallback = absl::AnyInvocable<void(absl::StatusOr<ListAnswer>)>;
  using CountCallback = absl::AnyInvocable<void(absl::StatusOr<CountAnswer>)>;
  using ClaimCallback = absl::AnyInvocable<void(ClaimResult)>;
  using PolicyCallback = absl::AnyInvocable<void(absl::StatusOr<domain::Policy>)>;
  using PoliciesCallback = absl::AnyInvocable<void(absl::StatusOr<PoliciesAnswer>)>;
  using StatusCallback = absl::AnyInvocable<void(absl::Status)>;
  using GroupsCallback = absl::AnyInvocable<void(absl::StatusOr<store::ErrorGroups>)>;
  using CheckCallback = absl::AnyInvocable<void(absl::StatusOr<store::CountCheck>)>;
  // How far a Check or Repair is, from its thread; and its end.
  using ReportCallback = std::function<void(const store::CheckReport&)>;
  using ReportEndCallback = absl::AnyInvocable<void(absl::StatusOr<store::CheckReport>)>;
  // Called now and then while a job runs, from its thread.
  using ProgressCallback = std::function<void(const JobProgress&)>;
  // Called once at a job's end: Cancelled when the caller went away, Unavailable when the store did
  // or the server stops, ResourceExhausted when limits::kJobs run already.
  using JobCallback = absl::AnyInvocable<void(absl::Status, JobProgress)>;

  Tracker(std::unique_ptr<store::Store> store, TrackerOptions options);
  // Stops as Stop does.
  ~Tracker();
  Tracker(const Tracker&) = delete;
  Tracker& operator=(const Tracker&) = delete;

  // Applies commands that have been validated. The i-th outcome is the i-th command's; those on one
  // task take effect in their order.
  void Write(std::vector<domain::Command> commands, CallContext context, OutcomesCallback done);

  void Get(domain::TaskKey key, CallContext context, OutcomeCallback done);
  // InvalidArgument: the page token is not one of these filters'.
  void List(ListRequest request, CallContext context, ListCallback done);
  void Count(CountRequest request, CallContext context, CountCallback done);

  // Claims tasks that are claimable, or waits for some. A caller that is gone by the time gets
  // none.
  void Claim(ClaimRequest request, CallContext context, ClaimCallback done);
  // Gives back, without costing an attempt, what a Claim answered but reached nobody; `tasks` as
  // they were then, with their lock. What a repeated Claim or a heartbeat has renewed since stays.
  void GiveBack(std::vector<domain::Task> tasks);

  // `policy` has been validated. Answers it as it holds now, on this server at once and on others
  // within a second.
  void SetPolicy(domain::Policy policy, CallContext context, PolicyCallback done);
  // The defaults where there is none.
  void GetPolicy(std::string name_space, CallContext context, PolicyCallback done);
  void ListPolicies(PoliciesRequest request, CallContext context, PoliciesCallback done);
  void DeletePolicy(std::string name_space, CallContext context, StatusCallback done);

  // What reads much: each is a job, of which limits::kJobs may run, and ends when its caller is
  // gone.
  void GroupErrors(store::ErrorGroupQuery query, CallContext context, GroupsCallback done);
  void CheckCounts(CallContext context, CheckCallback done);
  // Compares all that is derived from the tasks with them, and with `repair` puts it right.
  void Check(bool repair, CallContext context, ReportCallback progress, ReportEndCallback done);

  // Jobs, in bounded steps on a thread of their own, until done or the caller is gone.
  void BulkUpdate(BulkRequest request, CallContext context, ProgressCallback progress,
                  JobCallback done);
  void ExpireAll(bool dry_run, CallContext context, ProgressCallback progress, JobCallback done);
  // An empty namespace: all that have a retention.
  void PurgeAll(std::string name_space, bool dry_run, CallContext context,
                ProgressCallback progress, JobCallback done);

  // Whether the store answered the last time it was asked.
  bool healthy() const;

  // Turns new calls away with kStoreUnavailable, finishes what is queued, stops the threads.
  // Repeatable; returns when done.
  void Stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tracker::service
