// A thread that does a bounded step again and again. Thread-safe.
#pragma once

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "src/base/monotonic.h"

namespace tracker::service {

class Periodic {
 public:
  // Calls `step` at once, and then again after as long as it says, made up to a fifth shorter or
  // longer at random so that replicas do not march in step.
  explicit Periodic(std::function<absl::Duration()> step);
  // The same with a step that says whether there is more to do: then there is no wait, else it is
  // the interval.
  Periodic(absl::Duration interval, std::function<bool()> step);
  // Stops as Stop does.
  ~Periodic();
  Periodic(const Periodic&) = delete;
  Periodic& operator=(const Periodic&) = delete;

  // Ends a wait, if there is one.
  void Nudge();
  // Lets the running step end, and ends the thread. Repeatable.
  void Stop();

 private:
  void Run();

  const std::function<absl::Duration()> step_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // Rung to end a wait.
  base::Bell bell_;
  std::thread thread_;
};

}  // namespace tracker::service
