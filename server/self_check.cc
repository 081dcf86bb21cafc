#include "server/self_check.h"

#include <utility>

namespace tracker::server {

SelfCheck::SelfCheck(const std::string& listen, std::function<void(const std::string&)> on_dead)
    : on_dead_(std::move(on_dead)) {
  for (OwnAddress& address : OwnAddressesOf(listen)) {
    watched_.push_back({std::move(address), ListenerWatch()});
  }
  thread_ = std::thread([this] { Run(); });
}

SelfCheck::~SelfCheck() {
  stop_ = true;
  bell_.Ring();
  thread_.join();
}

void SelfCheck::Run() {
  while (!stop_) {
    for (Watched& watched : watched_) {
      const Look look = LookAt(watched.address, kLookTimeout, stop_);
      if (stop_) return;
      if (watched.watch.IsDead(look)) return on_dead_(watched.address.name);
    }
    bell_.WaitFor(kLookInterval);
  }
}

}  // namespace tracker::server
