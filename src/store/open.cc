#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "src/store/postgres/postgres_store.h"
#include "src/store/sqlite/sqlite_store.h"
#include "src/store/store.h"

namespace tracker::store {

absl::StatusOr<std::unique_ptr<Store>> Open(const std::string& url, const OpenOptions& options) {
  absl::string_view rest = url;
  if (absl::ConsumePrefix(&rest, "sqlite:")) {
    if (rest.empty())
      return absl::InvalidArgumentError(
          "the store URL 'sqlite:' names no file; try sqlite:tracker.db");
    return OpenSqlite(std::string(rest), options);
  }
  if (absl::StartsWith(url, "postgresql://") || absl::StartsWith(url, "postgres://"))
    return OpenPostgres(url, options);
  return absl::InvalidArgumentError(
      absl::StrCat("the store URL '", WithoutPassword(url),
                   "' is of no known kind; use sqlite:PATH or postgresql://USER@HOST/DATABASE"));
}

std::string WithoutPassword(const std::string& url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string::npos) return url;
  const size_t begin = scheme + 3;
  const size_t host_end = url.find_first_of("/?", begin);
  const size_t at = url.rfind('@', host_end);
  std::string shown = url;
  if (at != std::string::npos && at >= begin) {
    const size_t colon = url.find(':', begin);
    if (colon < at) shown = absl::StrCat(url.substr(0, colon), ":***", url.substr(at));
  }
  // libpq takes a password as a parameter too.
  const size_t parameter = shown.find("password=");
  if (parameter != std::string::npos) {
    const size_t value = parameter + std::string("password=").size();
    const size_t end = shown.find('&', value);
    shown = absl::StrCat(shown.substr(0, value), "***",
                         end == std::string::npos ? "" : shown.substr(end));
  }
  return shown;
}

}  // namespace tracker::store
