#include "server/stop_signals.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "server/logging.h"
#include "src/base/monotonic.h"

namespace tracker::server {
namespace {

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

[[noreturn]] void LeaveAtOnce(const std::string& reason) {
  Log(LogLevel::kError, "drain_broken_off", {{"reason", reason}});
  _exit(1);
}

}  // namespace

void BlockStopSignals() {
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

std::string WaitForStopSignal() {
  const sigset_t signals = StopSignals();
  int number = 0;
  while (sigwait(&signals, &number) != 0) {
  }
  return number == SIGTERM ? "SIGTERM" : "SIGINT";
}

DrainWatch::DrainWatch(absl::Duration timeout)
    : thread_([this, deadline = base::MonotonicNow() + timeout] { Watch(deadline); }) {}

DrainWatch::~DrainWatch() {
  done_ = true;
  thread_.join();
}

void DrainWatch::Watch(absl::Time deadline) {
  // How long the end of the drain may go unnoticed.
  constexpr absl::Duration kStep = absl::Milliseconds(20);
  const sigset_t signals = StopSignals();
  while (!done_) {
    const timespec step =
        absl::ToTimespec(std::clamp(deadline - base::MonotonicNow(), absl::ZeroDuration(), kStep));
    if (sigtimedwait(&signals, nullptr, &step) > 0) LeaveAtOnce("a second signal");
    if (!done_ && base::MonotonicNow() >= deadline) LeaveAtOnce("the drain timeout");
  }
}

}  // namespace tracker::server
