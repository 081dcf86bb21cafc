#include "server/own_address.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "src/base/monotonic.h"

namespace tracker::server {
namespace {

// The preface of a client, and its empty SETTINGS (RFC 9113, 3.4).
constexpr absl::string_view kHello("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
// How long a look may sleep at once, to notice that it should end, and that the process did not get
// to run.
constexpr absl::Duration kStep = absl::Milliseconds(100);
// A sleep that takes this much longer than it should: the process was stopped, or starved.
constexpr absl::Duration kStarved = absl::Seconds(1);
// The server needs one descriptor to accept with. Where there are no more than a few, the look
// would itself use up the last one, and so cause what it looks for.
constexpr int kSpareFiles = 8;

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

bool HasSpareFiles(int fd) {
  std::array<std::unique_ptr<File>, kSpareFiles> spare;
  return std::all_of(spare.begin(), spare.end(), [fd](std::unique_ptr<File>& file) {
    file = std::make_unique<File>(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    return file->get() >= 0;
  });
}

bool OutOfFiles(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

// Waits until the socket is ready for `events`, or has failed.
enum class Waited { kReady, kTimedOut, kStarved, kStopped };
Waited WaitFor(int fd, short events, base::MonotonicTime end, const std::atomic<bool>& stop) {
  while (!stop) {
    const base::MonotonicTime before = base::MonotonicNow();
    if (before >= end) return Waited::kTimedOut;
    pollfd entry{.fd = fd, .events = events, .revents = 0};
    const int timeout = static_cast<int>(absl::ToInt64Milliseconds(kStep));
    if (poll(&entry, 1, timeout) > 0) return Waited::kReady;
    if (base::MonotonicNow() - before > kStep + kStarved) return Waited::kStarved;
  }
  return Waited::kStopped;
}

Look Unanswered(Waited waited) {
  return waited == Waited::kTimedOut ? Look::kSilent : Look::kTellsNothing;
}

void AddUnixSocket(absl::string_view path, std::vector<OwnAddress>& found) {
  sockaddr_un name{};
  if (path.size() >= sizeof(name.sun_path)) return;
  name.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), name.sun_path);
  OwnAddress own{.address = {}, .length = sizeof(name), .name = std::string(path)};
  std::memcpy(&own.address, &name, sizeof(name));
  found.push_back(own);
}

// Nobody can connect to a wildcard everywhere; its loopback address is this machine's.
void ReplaceWildcard(sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
    if (v4->sin_addr.s_addr == htonl(INADDR_ANY)) v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  } else if (address.ss_family == AF_INET6) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
    if (IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr)) v6->sin6_addr = in6addr_loopback;
  }
}

}  // namespace

std::vector<OwnAddress> OwnAddressesOf(const std::string& listen) {
  std::vector<OwnAddress> addresses;
  absl::string_view path = listen;
  if (absl::ConsumePrefix(&path, "unix:")) {
    absl::ConsumePrefix(&path, "//");
    AddUnixSocket(path, addresses);
    return addresses;
  }
  const size_t colon = listen.rfind(':');
  absl::string_view host = absl::string_view(listen).substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (getaddrinfo(std::string(host).c_str(), listen.substr(colon + 1).c_str(), &hints, &found) != 0)
    return addresses;
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    OwnAddress own{.address = {}, .length = each->ai_addrlen, .name = listen};
    std::memcpy(&own.address, each->ai_addr, each->ai_addrlen);
    ReplaceWildcard(own.address);
    addresses.push_back(own);
  }
  return addresses;
}

Look LookAt(const OwnAddress& address, absl::Duration timeout, const std::atomic<bool>& stop) {
  const base::MonotonicTime end = base::MonotonicNow() + timeout;
  const File socket_file(
      socket(address.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int fd = socket_file.get();
  if (fd < 0 || !HasSpareFiles(fd)) return Look::kTellsNothing;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address.address), address.length) != 0) {
    if (OutOfFiles(errno)) return Look::kTellsNothing;
    if (errno != EINPROGRESS) return Look::kSilent;
    const Waited connected = WaitFor(fd, POLLOUT, end, stop);
    if (connected != Waited::kReady) return Unanswered(connected);
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0)
      return Look::kSilent;
  }
  // The kernel connects on its own; what counts is that somebody accepts. gRPC closes a connection
  // at once when it is short of memory, which is a sign of life, too.
  (void)send(fd, kHello.data(), kHello.size(), MSG_NOSIGNAL);
  const Waited heard = WaitFor(fd, POLLIN, end, stop);
  return heard == Waited::kReady ? Look::kAlive : Unanswered(heard);
}

}  // namespace tracker::server
