// A real trackerd for tests and benchmarks, on a free port of 127.0.0.1. Stopped, by force if need
// be, with the object; killed when this process dies.
//
// Thread-compatible.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace tracker::testing {

class TrackerdProcess {
 public:
  // Starts `program` (trackerd's path) on the store and waits until it listens. `flags` go on top.
  // FailedPrecondition with its output when it ends instead.
  static absl::StatusOr<std::unique_ptr<TrackerdProcess>> Start(
      const std::string& program, const std::string& store_url,
      const std::vector<std::string>& flags = {});

  ~TrackerdProcess();
  TrackerdProcess(const TrackerdProcess&) = delete;
  TrackerdProcess& operator=(const TrackerdProcess&) = delete;

  // "127.0.0.1:PORT"; the port stays the same over StartAgain.
  const std::string& address() const { return address_; }
  pid_t pid() const { return pid_; }
  bool running() const { return pid_ > 0; }

  // Sends the signal, and waits until the process has ended; its exit status as from waitpid.
  absl::StatusOr<int> StopBy(int signal, absl::Duration timeout = absl::Seconds(30));
  // Waits until it has ended by itself; its exit status as from waitpid.
  absl::StatusOr<int> AwaitEnd(absl::Duration timeout);
  // After StopBy or AwaitEnd, or a StartAgain that failed: the same again, on the same port.
  absl::Status StartAgain();

  // All that it has logged.
  std::string Log() const;

 private:
  TrackerdProcess() = default;
  absl::Status Launch(const std::string& listen);

  // Constant after Start.
  std::string program_;
  std::string store_url_;
  std::vector<std::string> flags_;
  std::string folder_;
  std::string address_;

  pid_t pid_ = -1;
};

}  // namespace tracker::testing
