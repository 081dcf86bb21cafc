// SIGTERM and SIGINT as calls that wait, in place of handlers. SIGPIPE is ignored. SIGHUP, which
// ends a process that does not expect it, is what log rotation and 'reload' of service managers
// send: it is noted, and the server goes on.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "absl/time/time.h"

namespace tracker::server {

// Call it in main before any thread is started, so that all of them leave the signals alone.
void BlockStopSignals();

// Waits for SIGTERM or SIGINT; answers its name. Calls `on_hangup` for each SIGHUP meanwhile.
std::string WaitForStopSignal(const std::function<void()>& on_hangup);

// While it lives, a further stop signal or the end of `timeout` ends the process at once, with exit
// code 1.
class DrainWatch {
 public:
  explicit DrainWatch(absl::Duration timeout);
  ~DrainWatch();
  DrainWatch(const DrainWatch&) = delete;
  DrainWatch& operator=(const DrainWatch&) = delete;

 private:
  void Watch(absl::Time deadline);

  std::atomic<bool> done_{false};
  std::thread thread_;
};

}  // namespace tracker::server
