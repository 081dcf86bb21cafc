#include "server/listen_error.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace tracker::server {
namespace {

struct Failure {
  std::string reason;
  // What to do, before "with --listen".
  std::string advice = "choose another address";
};

Failure FailureOf(int error) {
  Failure failure{.reason = std::strerror(error)};
  if (error == EADDRINUSE) failure.advice = "stop what serves there, or choose another address";
  if (error == EADDRNOTAVAIL) failure.advice = "choose an address of this machine";
  if (error == EACCES) failure.advice = "choose a port above 1023";
  return failure;
}

// Without a reason where this attempt went well.
Failure TryToListen(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code = getaddrinfo(host.c_str(), port.c_str(), &hints, &found); code != 0)
    return {.reason = gai_strerror(code)};
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, freeaddrinfo);
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    const int fd = socket(each->ai_family, each->ai_socktype | SOCK_CLOEXEC, each->ai_protocol);
    if (fd < 0) return FailureOf(errno);
    // As gRPC does: connections of a server that has just ended are no hindrance.
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    const bool good = bind(fd, each->ai_addr, each->ai_addrlen) == 0 && listen(fd, 1) == 0;
    const int error = errno;
    close(fd);
    if (!good) return FailureOf(error);
  }
  return {};
}

}  // namespace

absl::Status ListenError(const std::string& address) {
  Failure failure;
  if (!absl::StartsWith(address, "unix:")) {
    const size_t colon = address.rfind(':');
    absl::string_view host = absl::string_view(address).substr(0, colon);
    if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
    failure = TryToListen(std::string(host), address.substr(colon + 1));
  }
  return absl::FailedPreconditionError(
      absl::StrCat("cannot listen on ", address, failure.reason.empty() ? "" : ": ", failure.reason,
                   "; ", failure.advice, " with --listen"));
}

}  // namespace tracker::server
