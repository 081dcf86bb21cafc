// A thread that looks every few seconds whether trackerd's own address still answers, and says so
// when it is dead (see listener_watch.h).
//
// Thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "server/listener_watch.h"
#include "server/own_address.h"
#include "src/base/monotonic.h"

namespace tracker::server {

// Longer than an overloaded gRPC takes to accept; and how long after a look the next one begins.
inline constexpr absl::Duration kLookTimeout = absl::Seconds(3);
inline constexpr absl::Duration kLookInterval = absl::Seconds(2);

class SelfCheck {
 public:
  // `on_dead` is called once, on the thread, with the address that is dead.
  SelfCheck(const std::string& listen, std::function<void(const std::string&)> on_dead);
  // Ends the thread. Stop it before the listener is closed on purpose.
  ~SelfCheck();
  SelfCheck(const SelfCheck&) = delete;
  SelfCheck& operator=(const SelfCheck&) = delete;

 private:
  struct Watched {
    OwnAddress address;
    ListenerWatch watch;
  };
  void Run();

  const std::function<void(const std::string&)> on_dead_;
  // Only the thread touches them: each address that the name stands for.
  std::vector<Watched> watched_;
  std::atomic<bool> stop_{false};
  base::Bell bell_;
  std::thread thread_;
};

}  // namespace tracker::server
