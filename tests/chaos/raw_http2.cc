#include "tests/chaos/raw_http2.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tracker::e2e {
namespace {

// RFC 9113.
constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr uint8_t kData = 0, kHeaders = 1, kSettings = 4, kContinuation = 9;
constexpr uint8_t kEndStream = 1, kEndHeaders = 4;
constexpr size_t kFrameBytes = 16 * 1024;

std::string BigEndian(uint32_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i));
  return out;
}

// RFC 7541: a string that is not Huffman coded.
std::string HpackString(const std::string& text) {
  std::string out;
  size_t length = text.size();
  if (length < 127) return static_cast<char>(length) + text;
  out += '\x7F';
  for (length -= 127; length >= 128; length >>= 7) out += static_cast<char>(length % 128 + 128);
  return out + static_cast<char>(length) + text;
}

// A field that enters no table.
std::string HpackField(const std::string& name, const std::string& value) {
  return absl::StrCat(std::string(1, '\0'), HpackString(name), HpackString(value));
}

}  // namespace

std::string Framed(const std::string& message, uint32_t length, bool compressed) {
  return absl::StrCat(std::string(1, compressed ? '\1' : '\0'), BigEndian(length, 4), message);
}

RawHttp2::RawHttp2(const std::string& address) {
  int port = 0;
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (!absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port))
    throw std::runtime_error("no port in " + address);
  to.sin_port = htons(static_cast<uint16_t>(port));
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0 || connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0)
    throw std::runtime_error(absl::StrCat("cannot connect: ", std::strerror(errno)));
  Send(kPreface);
  SendFrame(kSettings, 0, 0, "");
}

RawHttp2::~RawHttp2() {
  if (fd_ >= 0) close(fd_);
}

void RawHttp2::Send(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    // The server may have closed the connection, which is its good right.
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

void RawHttp2::SendFrame(uint8_t type, uint8_t flags, uint32_t stream, const std::string& payload) {
  Send(absl::StrCat(BigEndian(static_cast<uint32_t>(payload.size()), 3),
                    std::string(1, static_cast<char>(type)),
                    std::string(1, static_cast<char>(flags)), BigEndian(stream, 4), payload));
}

void RawHttp2::Call(const std::string& method, const std::string& message, const Headers& further) {
  CallWithBytes(method, Framed(message, static_cast<uint32_t>(message.size())), further);
}

void RawHttp2::CallWithBytes(const std::string& method, const std::string& bytes,
                             const Headers& further) {
  std::string block = HpackField(":method", "POST") + HpackField(":scheme", "http") +
                      HpackField(":path", "/tracker.v1.TrackerService/" + method) +
                      HpackField(":authority", "localhost") +
                      HpackField("content-type", "application/grpc") + HpackField("te", "trailers");
  for (const auto& [name, value] : further) block += HpackField(name, value);
  for (size_t at = 0; at < block.size(); at += kFrameBytes) {
    const bool last = at + kFrameBytes >= block.size();
    SendFrame(at == 0 ? kHeaders : kContinuation, last ? kEndHeaders : 0, stream_,
              block.substr(at, kFrameBytes));
  }
  for (size_t at = 0; at < bytes.size(); at += kFrameBytes) {
    const bool last = at + kFrameBytes >= bytes.size();
    SendFrame(kData, last ? kEndStream : 0, stream_, bytes.substr(at, kFrameBytes));
  }
  stream_ += 2;
}

bool RawHttp2::Hears(absl::Duration timeout) {
  pollfd entry{.fd = fd_, .events = POLLIN, .revents = 0};
  return poll(&entry, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout))) > 0;
}

}  // namespace tracker::e2e
