// What one side of a proxied connection has sent, and the other has not got yet. Thread-compatible.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <string>

#include "absl/time/time.h"

namespace tracker::testing {

class InTransit {
 public:
  using Clock = std::chrono::steady_clock;

  // Bytes that have come, to go on after the delay; empty: their sender has closed.
  void Add(std::string bytes, absl::Duration delay);
  // Sends what is due to the socket; false: there is nothing more to come, or nobody to take it.
  bool SendTo(int socket);

  // Whether more may be taken in.
  bool Readable() const { return !ended_ && bytes_ < kMostBytes; }
  // Whether the receiver takes nothing at the moment.
  bool blocked() const { return blocked_; }
  bool empty() const { return pieces_.empty(); }
  // When the next piece is to be sent; there is one.
  Clock::time_point due() const { return pieces_.front().due; }

 private:
  static constexpr size_t kMostBytes = 1024 * 1024;
  struct Piece {
    Clock::time_point due;
    std::string bytes;
  };

  std::deque<Piece> pieces_;
  size_t bytes_ = 0;
  bool ended_ = false;
  bool blocked_ = false;
};

}  // namespace tracker::testing
