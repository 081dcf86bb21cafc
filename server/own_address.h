// trackerd's own address as its clients see it, and a look whether anybody answers there.
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/listener_watch.h"

namespace tracker::server {

struct OwnAddress {
  sockaddr_storage address;
  socklen_t length = 0;
  // For the log.
  std::string name;
};

// Where `listen` (--listen with the actual port) can be reached from within this machine; of a
// wildcard, the loopback address. Empty when the name cannot be resolved.
std::vector<OwnAddress> OwnAddressesOf(const std::string& listen);

// Connects and says hello as an HTTP/2 client does, by plain sockets, which no trouble of gRPC's
// own reaches. Returns at the first sign of life, at most after `timeout`, and soon after `stop` is
// set.
Look LookAt(const OwnAddress& address, absl::Duration timeout, const std::atomic<bool>& stop);

}  // namespace tracker::server
