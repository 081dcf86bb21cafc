#include <algorithm>

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
  // The user and the password end at an '@'. A password may have a '?'; one with a '/' is wrong,
  // and as secret.
  size_t at = 0;
  for (const char end : {'/', '?'}) {
    const size_t found = url.rfind('@', url.find(end, begin));
    if (found != std::string::npos) at = std::max(at, found);
  }
  std::string shown = url;
  const size_t colon = url.find(':', begin);
  if (colon < at) shown = absl::StrCat(url.substr(0, colon), ":***", url.substr(at));
  // libpq takes passwords as parameters too: password, sslpassword.
  constexpr absl::string_view kParameter = "password=";
  for (size_t found = shown.find(kParameter.data()); found != std::string::npos;
       found = shown.find(kParameter.data(), found + kParameter.size())) {
    const size_t value = found + kParameter.size();
    const size_t end = std::min(shown.find('&', value), shown.size());
    shown.replace(value, end - value, "***");
  }
  return shown;
}

}  // namespace tracker::store
