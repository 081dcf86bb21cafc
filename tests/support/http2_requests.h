// Finds in the bytes of an HTTP/2 connection where a request is complete, and where its answer
// begins: what a gRPC connection sends besides (settings, pings, windows) asks for nothing. Reads
// the heads of frames only (RFC 9113, section 4.1). Thread-compatible.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace tracker::testing {

// Of one direction of a connection.
class Http2Frames {
 public:
  struct Frame {
    uint8_t type = 0;
    uint8_t flags = 0;
    uint32_t stream = 0;
  };
  // Of the client's direction, which begins with a preface.
  explicit Http2Frames(bool client) : to_skip_(client ? kPrefaceBytes : 0) {}

  static bool IsPreface(absl::string_view bytes);

  // The next bytes, wherever they were cut; calls `found` for each frame that begins in them.
  void Read(absl::string_view bytes, const std::function<void(const Frame&)>& found);

 private:
  static constexpr uint32_t kPrefaceBytes = 24;

  // What is left of the preface, or of a frame behind its head.
  uint32_t to_skip_;
  // The begin of a head.
  std::string head_;
};

// Of both directions of a connection. Both name streams: the calls of a connection have one each.
class Http2Requests {
 public:
  // Whose requests are complete with these bytes of the client.
  std::vector<uint32_t> ReadClient(absl::string_view bytes);
  // Whose answers begin in these bytes of the server.
  std::vector<uint32_t> ReadServer(absl::string_view bytes);

 private:
  Http2Frames client_{true};
  Http2Frames server_{false};
};

}  // namespace tracker::testing
