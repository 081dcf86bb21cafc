#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "src/store/postgres/postgres_store.h"
#include "src/store/sqlite/sqlite_store.h"
#include "src/store/store.h"

namespace tracker::store {
namespace {

// "mysql:***" of "mysql://u:p@h/db": what stands before the first colon, where it can be a scheme.
std::string OnlyScheme(absl::string_view url) {
  size_t end = 0;
  while (end < url.size() && (absl::ascii_isalnum(url[end]) || url[end] == '+')) ++end;
  const bool scheme = end > 0 && end < url.size() && url[end] == ':' && absl::ascii_isalpha(url[0]);
  return scheme ? absl::StrCat(url.substr(0, end), ":***") : "***";
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> Open(const std::string& url, const OpenOptions& options) {
  absl::string_view rest = url;
  if (absl::ConsumePrefix(&rest, "sqlite:")) {
    if (rest.empty())
      return absl::InvalidArgumentError(
          "the store URL 'sqlite:' names no file; try sqlite:tracker.db");
    return OpenSqlite(std::string(rest), options);
  }
  if (IsPostgres(url)) return OpenPostgres(url, options);
  return absl::InvalidArgumentError(
      absl::StrCat("the store URL '", WithoutPassword(url),
                   "' is of no known kind; use sqlite:PATH or postgresql://USER@HOST/DATABASE"));
}

std::string WithoutPassword(const std::string& url) {
  if (absl::StartsWith(url, "sqlite:")) return url;
  return IsPostgres(url) ? PostgresWithoutPassword(url) : OnlyScheme(url);
}

}  // namespace tracker::store
