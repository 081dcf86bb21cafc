// Calls a function when the process is asked to end: SIGTERM (from a supervisor) or SIGINT
// (Ctrl-C).
//
// The function is called once, on a thread of its own, so that it may do anything. A second signal
// of the same kind then ends the process at once, as it would without this class. Several may live
// at a time, at most 8; a further one ends the process with a message. When the last one goes, the
// signals do what they did before the first. Make it before other threads rely on these signals.
#pragma once

#include <functional>
#include <thread>

namespace tracker {

class OnTermination {
 public:
  explicit OnTermination(std::function<void()> callback);
  // Waits for the callback where it runs.
  ~OnTermination();
  OnTermination(const OnTermination&) = delete;
  OnTermination& operator=(const OnTermination&) = delete;

 private:
  int slot_;
  int read_end_;
  std::thread thread_;
};

}  // namespace tracker
