#include "client/src/addresses.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "client/src/status_details.h"

namespace tracker::internal {
namespace {

constexpr size_t kMaxAddressBytes = 1024;

absl::Status Wrong(absl::string_view address, absl::string_view why) {
  return InvalidArgument(absl::StrCat("address: \"", address.substr(0, 100), "\" ", why));
}

// gRPC's own schemes.
bool IsTarget(absl::string_view address) {
  for (const char* scheme : {"unix:", "unix-abstract:", "dns:", "ipv4:", "ipv6:", "xds:"}) {
    if (absl::StartsWith(address, scheme)) return true;
  }
  return false;
}

// Without a port gRPC would take 443.
absl::StatusOr<std::string> WithPort(absl::string_view address) {
  const size_t bracket = address.rfind(']');
  const size_t colon = address.rfind(':');
  const bool several_colons = address.find(':') != colon;
  if (several_colons && address.front() != '[')
    return Wrong(address, "is an IPv6 address: write it in brackets, as [::1]:7070");
  if (colon == absl::string_view::npos || (bracket != absl::string_view::npos && colon < bracket))
    return absl::StrCat(address, ":", kDefaultPort);
  int port = 0;
  if (!absl::SimpleAtoi(address.substr(colon + 1), &port) || port < 1 || port > 65535)
    return Wrong(address, "has no port from 1 to 65535 after its colon");
  if (colon == 0) return Wrong(address, "has no host before its colon");
  return std::string(address);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ParseAddresses(const std::string& addresses) {
  std::vector<std::string> targets;
  for (absl::string_view part : absl::StrSplit(addresses, ',')) {
    const absl::string_view address = absl::StripAsciiWhitespace(part);
    if (address.empty()) return Wrong(address, "is empty: give host:port");
    if (address.size() > kMaxAddressBytes) return Wrong(address, "is too long");
    for (const char c : address) {
      if (!absl::ascii_isgraph(static_cast<unsigned char>(c)))
        return Wrong(address, "has a space or an odd character in it");
    }
    if (IsTarget(address)) {
      targets.emplace_back(address);
    } else if (absl::StrContains(address, "/")) {
      return Wrong(address, "is no host:port: leave out http:// and everything after the port");
    } else if (auto target = WithPort(address); target.ok()) {
      targets.push_back(*std::move(target));
    } else {
      return target.status();
    }
  }
  if (targets.size() > kMaxAddresses)
    return InvalidArgument(absl::StrCat("address: names ", targets.size(), " servers; at most ",
                                        kMaxAddresses, " are allowed"));
  return targets;
}

}  // namespace tracker::internal
