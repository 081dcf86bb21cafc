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

// Those that this process takes by waiting for them.
sigset_t AwaitedSignals() {
  sigset_t signals = StopSignals();
  sigaddset(&signals, SIGHUP);
  return signals;
}

[[noreturn]] void LeaveAtOnce(const std::string& reason) {
  Log(LogLevel::kError, "drain_broken_off", {{"reason", reason}});
  _exit(1);
}

}  // namespace

void BlockStopSignals() {
  const sigset_t signals = AwaitedSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

std::string WaitForStopSignal(const std::function<void()>& on_hangup) {
  const sigset_t signals = AwaitedSignals();
  while (true) {
    int number = 0;
    if (sigwait(&signals, &number) != 0) continue;
    if (number != SIGHUP) return number == SIGTERM ? "SIGTERM" : "SIGINT";
    on_hangup();
  }
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
