#include "tests/support/http2_requests.h"

#include <algorithm>

#include "absl/strings/match.h"

namespace tracker::testing {
namespace {

constexpr size_t kHeadBytes = 9;
constexpr uint8_t kData = 0x0;
constexpr uint8_t kHeaders = 0x1;
constexpr uint8_t kEndStream = 0x1;

uint32_t BigEndian(absl::string_view bytes) {
  uint32_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<uint8_t>(byte);
  return number;
}

}  // namespace

bool Http2Frames::IsPreface(absl::string_view bytes) {
  return absl::StartsWith(bytes, "PRI * HTTP/2.0");
}

void Http2Frames::Read(absl::string_view bytes, const std::function<void(const Frame&)>& found) {
  while (!bytes.empty()) {
    if (to_skip_ > 0) {
      const size_t skipped = std::min<size_t>(to_skip_, bytes.size());
      to_skip_ -= static_cast<uint32_t>(skipped);
      bytes.remove_prefix(skipped);
      continue;
    }
    const size_t taken = std::min(kHeadBytes - head_.size(), bytes.size());
    head_.append(bytes.data(), taken);
    bytes.remove_prefix(taken);
    if (head_.size() < kHeadBytes) return;
    const absl::string_view head = head_;
    to_skip_ = BigEndian(head.substr(0, 3));
    found({.type = static_cast<uint8_t>(head[3]),
           .flags = static_cast<uint8_t>(head[4]),
           .stream = BigEndian(head.substr(5, 4)) & 0x7fffffff});
    head_.clear();
  }
}

std::vector<uint32_t> Http2Requests::ReadClient(absl::string_view bytes) {
  std::vector<uint32_t> complete;
  client_.Read(bytes, [&](const Http2Frames::Frame& frame) {
    const bool carries = frame.type == kData || frame.type == kHeaders;
    if (carries && (frame.flags & kEndStream) != 0) complete.push_back(frame.stream);
  });
  return complete;
}

std::vector<uint32_t> Http2Requests::ReadServer(absl::string_view bytes) {
  std::vector<uint32_t> answered;
  server_.Read(bytes, [&](const Http2Frames::Frame& frame) {
    if (frame.type == kHeaders) answered.push_back(frame.stream);
  });
  return answered;
}

}  // namespace tracker::testing
