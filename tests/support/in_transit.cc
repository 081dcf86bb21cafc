#include "tests/support/in_transit.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace tracker::testing {

void InTransit::Add(std::string bytes, absl::Duration delay) {
  ended_ = bytes.empty();
  bytes_ += bytes.size();
  pieces_.push_back({Clock::now() + absl::ToChronoNanoseconds(delay), std::move(bytes)});
}

bool InTransit::SendTo(int socket) {
  blocked_ = false;
  while (!pieces_.empty() && pieces_.front().due <= Clock::now()) {
    std::string& bytes = pieces_.front().bytes;
    if (bytes.empty()) return false;
    const ssize_t sent = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      blocked_ = errno == EAGAIN;
      return blocked_;
    }
    bytes_ -= static_cast<size_t>(sent);
    bytes.erase(0, static_cast<size_t>(sent));
    if (bytes.empty()) pieces_.pop_front();
  }
  return true;
}

}  // namespace tracker::testing
