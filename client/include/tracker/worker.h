// Runs a handler over the tasks of a namespace, several at a time, until it is stopped.
//
//   tracker::Worker worker(client, {.name_space = "invoices", .concurrency = 8, .ids =
//   NewInvoices},
//                          [](tracker::TaskGuard& task) -> absl::Status { ... });
//   tracker::OnTermination stop([&] { worker.RequestStop(); });   // SIGTERM, SIGINT
//   absl::Status status = worker.Run();
//
// Thread-safe. The handler is called from several threads at once, each call with a guard of its
// own; it returns and throws what a function given to Client::Run does, and how it ended is
// recorded so. An exception ends the attempt, not the worker.
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

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tracker/client.h"

namespace tracker {

struct WorkerOptions {
  std::string name_space;
  // How many tasks at once, each on a thread of its own; 1 to 1000.
  int concurrency = 1;
  // The ids of tasks to try, in this order. Called when those it gave before have all been tried,
  // by one thread at a time; an empty answer means that there are none now. Tasks that cannot be
  // started now (another worker has them, they are done, their time has not come) are passed over.
  // An error is logged, and it is asked again. None: the server chooses (Client::Claim).
  std::function<absl::StatusOr<std::vector<std::string>>()> ids;
  // How long to wait, about, after a round over the ids in which no task could be started, and
  // while the namespace is paused.
  absl::Duration poll_interval = absl::Seconds(1);
  // Ask for ids once, and end when they have been worked through.
  bool once = false;
  // As in StartOptions and ClientOptions.
  std::optional<absl::Duration> lease;
  std::optional<absl::Duration> time_limit;
  std::string worker;
  std::vector<std::string> after;
  bool create_if_missing = false;
  // How long Stop lets handlers finish before it gives their tasks back. Less than the time after
  // which whoever stops the process kills it (Kubernetes: 30 s).
  absl::Duration stop_timeout = absl::Seconds(20);
};

// What became of the tasks that a worker has started.
struct WorkerStats {
  int64_t started = 0;
  // Recorded as succeeded.
  int64_t succeeded = 0;
  // Recorded as failed, released, or otherwise ended by the handler.
  int64_t ended = 0;
  // Whose report was not taken: the lock was lost, or no answer came.
  int64_t unreported = 0;
};

class Worker {
 public:
  // Does nothing before Start or Run. `handler` takes (TaskGuard&), or (TaskGuard&,
  // std::stop_token stopping) to learn that the worker is to stop: it can then save where it is
  // with Checkpoint and Release the task, instead of working on to its end.
  template <typename Handler>
  Worker(std::shared_ptr<Client> client, WorkerOptions options, Handler handler)
      : Worker(std::move(client), std::move(options), Call(Wrap(std::move(handler)))) {}
  // Stop, and waits for handlers that still run: what they use must outlive them.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Begins to work, and returns. InvalidArgument: says which option is wrong. FailedPrecondition:
  // was started before.
  absl::Status Start();
  // Start; waits for RequestStop or, with `once`, until all is done; Stop. Not OK: what Start or
  // Stop answered, or what the worker cannot go on from: PermissionDenied, Unauthenticated,
  // Unimplemented (a server older than Claim); with `once`, also the first other error by which a
  // task could not be started.
  absl::Status Run();
  // No further task is started. Returns at once; repeatable. May be called from a handler, but not
  // from a signal handler (OnTermination calls it from a thread).
  void RequestStop();
  // RequestStop, and waits until the handlers have ended, at most stop_timeout. Of those that run
  // on the tasks are given back, without costing them the attempt, and the stop_token of their
  // guards stops; this takes up to 5 s more. OK: all have ended. DeadlineExceeded: some still run,
  // and their tasks are free. Repeatable; not from a handler.
  absl::Status Stop();

  WorkerStats stats() const;

 private:
  using Call = std::function<internal::WorkResult(TaskGuard&, const std::stop_token&)>;
  class State;

  Worker(std::shared_ptr<Client> client, WorkerOptions options, Call call);

  template <typename Handler>
  static auto Wrap(Handler handler) {
    return
        [handler = std::move(handler)](TaskGuard& task, const std::stop_token& stopping) mutable {
          if constexpr (std::is_invocable_v<Handler&, TaskGuard&, std::stop_token>) {
            return internal::CallWork(handler, task, stopping);
          } else {
            return internal::CallWork(handler, task);
          }
        };
  }

  const std::unique_ptr<State> state_;
};

}  // namespace tracker
