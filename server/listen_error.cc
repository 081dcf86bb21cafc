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

// The system's reason, or nothing where this attempt went well.
std::string Reason(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code = getaddrinfo(host.c_str(), port.c_str(), &hints, &found); code != 0)
    return gai_strerror(code);
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, freeaddrinfo);
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    const int fd = socket(each->ai_family, each->ai_socktype | SOCK_CLOEXEC, each->ai_protocol);
    if (fd < 0) return std::strerror(errno);
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    const int error =
        bind(fd, each->ai_addr, each->ai_addrlen) == 0 && listen(fd, 1) == 0 ? 0 : errno;
    close(fd);
    if (error != 0) return std::strerror(error);
  }
  return "";
}

}  // namespace

absl::Status ListenError(const std::string& address) {
  std::string reason;
  if (!absl::StartsWith(address, "unix:")) {
    const size_t colon = address.rfind(':');
    absl::string_view host = absl::string_view(address).substr(0, colon);
    if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
    reason = Reason(std::string(host), address.substr(colon + 1));
  }
  return absl::FailedPreconditionError(
      absl::StrCat("cannot listen on ", address, reason.empty() ? "" : ": ", reason,
                   "; stop what serves there, or choose another address with --listen"));
}

}  // namespace tracker::server
