// The threads of a Worker and what they share. Thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "client/src/core.h"
#include "tracker/worker.h"

namespace tracker {

class Worker::State {
 public:
  State(std::shared_ptr<Client> client, WorkerOptions options, Call call);
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  absl::Status Start();
  // Until RequestStop, or until there is nothing more to do.
  void Await();
  void RequestStop();
  absl::Status Stop();
  // By what the worker has ended, or with `once` what went wrong first.
  absl::Status error() const;
  WorkerStats stats() const;

 private:
  using Lock = std::unique_lock<std::mutex>;

  absl::Status CheckOptions() const;
  // A thread: one task after another.
  void Work();
  void WorkByIds();
  void WorkByClaim();
  // The next id to try; none once it is to end.
  std::optional<std::string> NextId();
  // Calls options_.ids, after a pause where the last round was in vain.
  void AskForIds(Lock& lock);
  void Handle(TaskGuard guard);
  // What a start or a claim answered instead of a task: pauses where something is wrong. False: the
  // worker ends.
  bool GoOn(const absl::Status& status);
  // Logs what is wrong, keeps it for Run where that is to tell it, and ends the worker where
  // nothing will mend it.
  void Complain(const absl::Status& status);
  void Pause(Lock& lock);
  void GiveBack();

  const std::shared_ptr<Client> client_;
  const std::shared_ptr<internal::ClientCore> core_;
  const WorkerOptions options_;
  const Call call_;
  std::stop_source stopping_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // All below guarded by mutex_.
  bool started_ = false;
  std::deque<std::string> ids_;
  bool asking_ = false;
  bool asked_ = false;
  int64_t started_before_round_ = -1;
  std::vector<std::shared_ptr<internal::HeldLock>> held_;
  int running_ = 0;  // threads
  absl::Status error_;
  WorkerStats stats_;
  std::vector<std::thread> threads_;
};

}  // namespace tracker
