// The door to a Tracker server.
//
//   auto client = tracker::Client::Connect("tracker:7070");
//   absl::StatusOr<tracker::TaskGuard> task = client->Start("invoices", "2026-001");
//   if (!task.ok()) return task.status();
//   ...
//   return std::move(*task).Succeed();
//
// Thread-safe; one Client serves a process. It makes its connection with the first call, and again
// whenever it was lost. Guards may outlive it.
//
// Errors are absl::Status; errors.h says what is in them. A call that the server answers with
// UNAVAILABLE, or that does not reach it, is repeated with growing random pauses until
// ClientOptions::deadline. Repeats are safe: a started attempt is known by its lock. Only where an
// answer was lost can a repeated Create be told TASK_EXISTS, and a repeated Delete TASK_NOT_FOUND,
// by its own doing; `allow_existing` makes Create safe in this, too.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "tracker/errors.h"
#include "tracker/guard.h"
#include "tracker/log.h"
#include "tracker/task.h"

namespace tracker {

namespace internal {
class ClientCore;

namespace v1 {
class Task;
}  // namespace v1

// What a function given to Run or Worker left behind.
struct WorkResult {
  absl::Status status;
  std::optional<std::string> data;
};

// Calls the function, whatever it returns of what Run takes.
template <typename Fn, typename... Arguments>
WorkResult CallWork(Fn& fn, Arguments&&... arguments);
}  // namespace internal

// TLS of a server that shows a certificate, as a proxy in front of trackerd does. All PEM text.
struct TlsOptions {
  // The authorities to trust. Empty: those of the system.
  std::string ca_certificates;
  // The client's own certificate chain and key, where the server asks for them; both or none.
  std::string certificate_chain;
  std::string private_key;
  // The name to expect in the server's certificate, where it is not the address's.
  std::string server_name;
};

struct ClientOptions {
  // Who works here, for people to read; at most 256 bytes. Empty: host:pid:thread.
  std::string worker;
  // How long a call may take, repeats included. Half a minute outlasts the restart of a server.
  absl::Duration deadline = absl::Seconds(30);
  // How long the report of a guard (Succeed, Fail, Release) is repeated while there is no answer;
  // never beyond the lease, which is the default.
  absl::Duration report_deadline = absl::InfiniteDuration();
  // The lease to ask for where StartOptions names none, 100 ms to 24 h. None: as the namespace's
  // policy says, else 15 min. How long a crashed worker's task waits for the next one.
  std::optional<absl::Duration> lease;
  // How long an attempt may take. Then its lease is renewed no more and its stop_token stops, so
  // that the task of a worker that hangs comes back, too. At most infinite: never.
  absl::Duration time_limit = absl::Hours(24);
  // Told when each task begins and ends, and when a lock is lost. None: silent.
  Logger logger;

  // None: in the clear, as trackerd serves by itself.
  std::optional<TlsOptions> tls;
  // Sent with each call as "authorization: Bearer TOKEN", over TLS only; visible ASCII.
  std::string token;
  // Send the token without TLS, too: where the network itself is trusted or encrypted.
  bool token_in_clear = false;
  // After so long without a sign of the server it is pinged, and 10 s later given up. Not under
  // 10 s, which is what the server allows. Infinite: no pings.
  absl::Duration keepalive = absl::Seconds(20);
  // Concurrent writes travel in one Batch: what queued while the last was on its way. Each has its
  // own outcome, deadline and cancellation all the same.
  bool coalesce = true;
};

struct NewTask {
  // 1 to 128 of [A-Za-z0-9._/-].
  std::string name_space;
  // 1 to 512 bytes of UTF-8 without control characters.
  std::string id;
  // JSON text of an object, at most 256 KiB and 32 levels. Empty: none.
  std::string data;
  // Claim takes higher ones first.
  int priority = 0;
  // Not to be started before this time. None: at once.
  std::optional<absl::Time> available_time;
  // 1 to 1000. 0: as the namespace's policy says, else 3.
  int max_attempts = 0;
  // A task that is there already is answered as it is, instead of TASK_EXISTS.
  bool allow_existing = false;
};

struct StartOptions {
  // None: ClientOptions::lease.
  std::optional<absl::Duration> lease;
  // Empty: ClientOptions::worker.
  std::string worker;
  // Take the task over from the worker that holds it.
  bool ignore_lock = false;
  // Start a task that is exhausted, succeeded or ignored.
  bool force = false;
  // Create the task first where there is none.
  bool create_if_missing = false;
  // Namespaces in which the task of the same id must have succeeded first, at most 16; else
  // TASK_NOT_READY.
  std::vector<std::string> after;
  // None: ClientOptions::time_limit.
  std::optional<absl::Duration> time_limit;
  // Ends the call early, with Cancelled. A task that may have been started by then is given back.
  std::stop_token cancel;
};

struct ClaimOptions {
  // At most so many tasks, 1 to 1000.
  int limit = 1;
  // How long to wait for a task where there is none, at most 60 s.
  absl::Duration wait = absl::ZeroDuration();
  // Only tasks whose id has succeeded in these namespaces, at most 16.
  std::vector<std::string> after;
  // As in StartOptions.
  std::optional<absl::Duration> lease;
  std::string worker;
  std::optional<absl::Duration> time_limit;
  std::stop_token cancel;
};

enum class ListOrder {
  // By create_time; stable while tasks change.
  kNewestFirst = 1,
  kOldestFirst = 2,
  // By update_time, newest first. What moves while one pages may come twice.
  kUpdatedFirst = 3,
};

struct ListOptions {
  std::string name_space;
  // Only tasks with one of these. Empty: all.
  std::vector<TaskStatus> statuses;
  // Only ids that begin so.
  std::string id_prefix;
  // Only tasks that this worker holds or held last.
  std::string worker;
  ListOrder order = ListOrder::kNewestFirst;
  // At most 1000. 0: 100.
  int page_size = 0;
  // Page::next_page_token of the page before, with the same filters.
  std::string page_token;
  // Only tasks with an error whose message contains this, at most 256 bytes; in any case of ASCII
  // letters.
  std::string error_text;
  // Only tasks whose last error has this fingerprint (ErrorGroup::fingerprint).
  std::string error_fingerprint;
};

struct Page {
  std::vector<Task> tasks;
  // Empty after the last page. A page may be short, even empty, and have a token to go on.
  std::string next_page_token;
};

struct StatusCount {
  std::string name_space;
  TaskStatus status = TaskStatus::kUnknown;
  int64_t count = 0;
};

class Client {
 public:
  // `addresses`: host:port, or several of one Tracker (trackerds over one database), separated by
  // commas; calls go to them in turn. Without a port: 7070. Does not wait for a server. Where the
  // addresses or the options are wrong, each call answers InvalidArgument and says what.
  static std::shared_ptr<Client> Connect(const std::string& addresses, ClientOptions options = {});

  // For tests: over another transport or clock.
  explicit Client(std::shared_ptr<internal::ClientCore> core);
  // Guards and calls of other threads may still be on their way; they end as they would.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Takes the task's lock. Of any number of racers one gets it. Refusals: TASK_NOT_FOUND,
  // TASK_LOCKED, TASK_NOT_AVAILABLE, TASK_EXHAUSTED, TASK_SUCCEEDED, TASK_IGNORED,
  // TASK_NOT_READY, NAMESPACE_PAUSED.
  absl::StatusOr<TaskGuard> Start(const std::string& name_space, const std::string& id,
                                  const StartOptions& options = {});

  // Takes the next tasks of the namespace that are available, highest priority first, then
  // those that have been available longest: at most options.limit, none where there are none within
  // options.wait. A call that breaks off is repeated, and gets what it got before; where the server
  // has given that back meanwhile, it is answered at once with what there is, which may be none.
  // Refusal: NAMESPACE_PAUSED, after the wait.
  absl::StatusOr<std::vector<TaskGuard>> Claim(const std::string& name_space,
                                               const ClaimOptions& options = {});

  // Starts the task, calls fn(TaskGuard&), and reports how it went:
  //  - returns nothing: succeeded. Returns std::string (or std::optional of it): succeeded, with
  //    that as the task's data.
  //  - returns an absl::Status or absl::StatusOr<std::string> that is not OK: failed with its text;
  //    Run answers the same status.
  //  - throws: failed with the type and text of the exception and of those nested in it
  //    (std::throw_with_nested), and the traceback that they carry (CarriesTraceback in errors.h);
  //    then it is thrown on, as it was.
  //  - says NonRetryable or RetryAfter, either way: so it is recorded (errors.h).
  //  - closes the guard itself: nothing more is reported.
  // Otherwise answers what Start or the report answered: ReportFailed(status) tells that the work
  // succeeded but its report did not. A result that cannot be saved (no JSON object, too large)
  // fails the task with that as its reason.
  template <typename Fn>
  absl::Status Run(const std::string& name_space, const std::string& id, Fn&& fn,
                   const StartOptions& options = {});

  // Makes a new task. Refusal: TASK_EXISTS.
  absl::StatusOr<Task> Create(const NewTask& task);
  // Makes many, a thousand in one call to the server; the i-th result is the i-th task's.
  std::vector<absl::StatusOr<Task>> CreateAll(absl::Span<const NewTask> tasks);

  // Refusal: TASK_NOT_FOUND.
  absl::StatusOr<Task> Get(const std::string& name_space, const std::string& id);
  absl::StatusOr<Page> List(const ListOptions& options);
  // Calls `fn` with each task of each page from options.page_token on, until it answers false.
  absl::Status ListEach(ListOptions options, const std::function<bool(const Task&)>& fn);
  // By namespace, then status; those with no tasks are left out. Empty `name_space`: all, a
  // thousand namespaces a call to the server.
  absl::StatusOr<std::vector<StatusCount>> Count(const std::string& name_space = "");

  // For operators. Ignore takes a task out of the work for good. Reset makes it pending with no
  // attempts counted. Delete removes it, and answers it as it was. Reset and Delete refuse a task
  // that a worker holds (TASK_LOCKED), unless `force`.
  absl::StatusOr<Task> Ignore(const std::string& name_space, const std::string& id);
  absl::StatusOr<Task> Reset(const std::string& name_space, const std::string& id,
                             bool force = false);
  absl::StatusOr<Task> Delete(const std::string& name_space, const std::string& id,
                              bool force = false);

  // By lock, for those that cannot keep a guard, such as scripts. Idempotent by the lock. Refusal:
  // LOCK_LOST. They answer the task afterwards.
  absl::StatusOr<Task> Heartbeat(const std::string& name_space, const std::string& id,
                                 const std::string& lock,
                                 std::optional<absl::Duration> lease = std::nullopt,
                                 std::optional<std::string> data = std::nullopt);
  absl::StatusOr<Task> Succeed(const std::string& name_space, const std::string& id,
                               const std::string& lock,
                               std::optional<std::string> data = std::nullopt);
  absl::StatusOr<Task> Fail(const std::string& name_space, const std::string& id,
                            const std::string& lock, const std::string& message,
                            const FailOptions& options = {});
  absl::StatusOr<Task> Release(const std::string& name_space, const std::string& id,
                               const std::string& lock,
                               absl::Duration delay = absl::ZeroDuration());

 private:
  friend class Worker;
  absl::StatusOr<TaskGuard> MakeGuard(const internal::v1::Task& task, const std::string& lock,
                                      absl::Time sent, std::optional<absl::Duration> time_limit);
  absl::Status RunWork(const std::string& name_space, const std::string& id,
                       const StartOptions& options,
                       absl::FunctionRef<internal::WorkResult(TaskGuard&)> work);

  std::shared_ptr<internal::ClientCore> core_;
};

template <typename Fn, typename... Arguments>
internal::WorkResult internal::CallWork(Fn& fn, Arguments&&... arguments) {
  using Result = std::invoke_result_t<Fn&, Arguments...>;
  if constexpr (std::is_void_v<Result>) {
    std::invoke(fn, std::forward<Arguments>(arguments)...);
    return {};
  } else if constexpr (std::is_same_v<Result, absl::Status>) {
    return {std::invoke(fn, std::forward<Arguments>(arguments)...), std::nullopt};
  } else if constexpr (std::is_same_v<Result, absl::StatusOr<std::string>>) {
    Result result = std::invoke(fn, std::forward<Arguments>(arguments)...);
    if (!result.ok()) return {result.status(), std::nullopt};
    return {absl::OkStatus(), *std::move(result)};
  } else {
    static_assert(std::is_convertible_v<Result, std::optional<std::string>>,
                  "the function returns nothing, a string with JSON, an absl::Status, or an "
                  "absl::StatusOr<std::string>");
    return {absl::OkStatus(), std::invoke(fn, std::forward<Arguments>(arguments)...)};
  }
}

template <typename Fn>
absl::Status Client::Run(const std::string& name_space, const std::string& id, Fn&& fn,
                         const StartOptions& options) {
  return RunWork(name_space, id, options,
                 [&fn](TaskGuard& guard) { return internal::CallWork(fn, guard); });
}

}  // namespace tracker
