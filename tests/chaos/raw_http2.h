// An HTTP/2 client that does only what it is told, by plain sockets: it never reads unless asked,
// leaves in mid-call, and says what no library would. Not thread-safe. Throws std::runtime_error
// where it cannot connect or send.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace tracker::e2e {

class RawHttp2 {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  // Connects to "127.0.0.1:PORT" and says hello.
  explicit RawHttp2(const std::string& address);
  // Closes the connection, whatever is under way.
  ~RawHttp2();
  RawHttp2(RawHttp2&& other) noexcept : fd_(std::exchange(other.fd_, -1)), stream_(other.stream_) {}
  RawHttp2& operator=(RawHttp2&&) = delete;

  // Begins a unary call of tracker.v1.TrackerService with the message, and does not wait for
  // anything.
  void Call(const std::string& method, const std::string& message, const Headers& further = {});
  // The same with what stands for the message: its five bytes of prefix are the caller's, too.
  void CallWithBytes(const std::string& method, const std::string& bytes,
                     const Headers& further = {});
  // Whether the server said anything within `timeout`, be it that it closed the connection.
  bool Hears(absl::Duration timeout);

 private:
  void Send(absl::string_view bytes);
  void SendFrame(uint8_t type, uint8_t flags, uint32_t stream, const std::string& payload);

  int fd_ = -1;
  uint32_t stream_ = 1;
};

// A message as gRPC frames it, with a length that may be another than its own.
std::string Framed(const std::string& message, uint32_t length, bool compressed = false);

}  // namespace tracker::e2e
