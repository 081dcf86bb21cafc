#include "tests/support/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "absl/status/status.h"

namespace tracker::testing {
namespace {

constexpr size_t kPieceBytes = 64 * 1024;
constexpr int kBacklog = 256;

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

}  // namespace

absl::StatusOr<int> ListenOnFreePort(int* port) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  if (listener < 0 || bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener, kBacklog) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    const int error = errno;
    CloseSocket(&listener);
    return absl::ErrnoToStatus(error, "cannot listen on 127.0.0.1");
  }
  *port = ntohs(address.sin_port);
  return listener;
}

int ConnectToPort(int port) {
  int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address = Loopback(port);
  if (connect(server, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 &&
      errno != EINPROGRESS) {
    CloseSocket(&server);
  }
  if (server >= 0) SetNoDelay(server);
  return server;
}

void SetNoDelay(int socket) {
  const int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void CloseSocket(int* socket) {
  if (*socket >= 0) close(*socket);
  *socket = -1;
}

void ResetSocket(int* socket) {
  const linger at_once = {.l_onoff = 1, .l_linger = 0};
  if (*socket >= 0) setsockopt(*socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  CloseSocket(socket);
}

std::optional<std::string> ReceivePiece(int socket) {
  std::string bytes(kPieceBytes, '\0');
  const ssize_t n = recv(socket, bytes.data(), bytes.size(), 0);
  if (n < 0 && errno == EAGAIN) return std::nullopt;
  bytes.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return bytes;
}

}  // namespace tracker::testing
