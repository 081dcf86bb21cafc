#include "src/store/sqlite/open_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "src/base/monotonic.h"
#include "src/store/sqlite/schema.h"
#include "src/store/store.h"

namespace tracker::store::sqlite {
namespace {

namespace fs = std::filesystem;

// As long as a connection waits for another's transaction (database.cc).
constexpr absl::Duration kWalPatience = absl::Seconds(5);

absl::Status CannotOpen(const std::string& path, const absl::Status& why) {
  return absl::Status(why.code(), absl::StrCat("cannot open sqlite:", path, ": ", ForLog(why)));
}

// What the user can mend, found before SQLite gives its 'unable to open database file' for all of
// it.
absl::Status CheckPath(const std::string& path, const fs::path& file, bool create) {
  if (path.empty()) return absl::InvalidArgumentError("no file is named; try sqlite:tracker.db");
  if (path == ":memory:") {
    return absl::InvalidArgumentError(
        "a store in memory would lose what it has acknowledged; name a file");
  }
  if (path.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError("the path has a NUL byte");
  }
  // "sqlite://tracker.db", as other programs' URLs have it, would be a file in the root folder.
  if (absl::StartsWith(path, "//") && !absl::StartsWith(path, "///")) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the path begins with //; use sqlite:", path.substr(2), " or sqlite:", path.substr(1)));
  }
  std::error_code error;
  const fs::path folder = file.parent_path();
  if (!fs::is_directory(folder, error)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "there is no folder ", folder.string(), "; make it, or name a file in another folder"));
  }
  if (fs::is_directory(file, error)) {
    return absl::FailedPreconditionError("it is a folder; name a file in it");
  }
  const bool exists = fs::exists(file, error);
  if (!exists && !create) {
    return absl::FailedPreconditionError("there is no such file; run 'trackerd migrate' first");
  }
  if (exists && access(file.c_str(), R_OK | W_OK) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("no permission to read and write it (", std::strerror(errno), ")"));
  }
  // Beside the database lie its log and the log's index.
  if (access(folder.c_str(), W_OK | X_OK) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "no permission to write in folder ", folder.string(), " (", std::strerror(errno), ")"));
  }
  return absl::OkStatus();
}

// The mode is a property of the file; changing it needs the file alone, and does not wait for that
// by itself.
absl::Status UseWal(Connection& connection) {
  const base::MonotonicTime end = base::MonotonicNow() + kWalPatience;
  while (true) {
    const absl::StatusOr<std::string> mode = connection.QueryText("PRAGMA journal_mode = WAL");
    if (mode.ok() && *mode == "wal") return absl::OkStatus();
    if (mode.ok()) {
      return absl::FailedPreconditionError(
          "its file system cannot hold a write-ahead log; name a file on a local disk");
    }
    if (!absl::IsUnavailable(mode.status()) || base::MonotonicNow() >= end) return mode.status();
    absl::SleepFor(absl::Milliseconds(5));
  }
}

absl::Status Configure(Connection& connection) {
  // FULL: a commit is on the disk when it returns, which is what makes an answer durable. The cache
  // holds the indexes of a few million tasks' working set; the log is cut back after a burst.
  return connection.Execute(
      "PRAGMA synchronous = FULL; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY; "
      "PRAGMA journal_size_limit = 67108864");
}

absl::StatusOr<std::unique_ptr<Connection>> Connect(const fs::path& file, bool create) {
  absl::StatusOr<std::unique_ptr<Connection>> connection = Connection::Open(file.string(), create);
  if (!connection.ok()) return connection;
  if (absl::Status status = Configure(**connection); !status.ok()) return status;
  return connection;
}

}  // namespace

absl::StatusOr<std::vector<std::unique_ptr<Connection>>> OpenFile(const std::string& path,
                                                                  bool migrate, int connections) {
  std::error_code error;
  // Absolute, so that no other program's habit ("file:") is taken for more than a name.
  const fs::path file = fs::absolute(path, error);
  if (absl::Status status = CheckPath(path, file, migrate); !status.ok()) {
    return CannotOpen(path, status);
  }
  std::vector<std::unique_ptr<Connection>> opened;
  for (int i = 0; i == 0 || i < connections; ++i) {
    absl::StatusOr<std::unique_ptr<Connection>> connection = Connect(file, migrate);
    if (!connection.ok()) return CannotOpen(path, connection.status());
    absl::Status ready;
    if (i == 0) {
      // The schema before the mode: another program's file is left as it is.
      ready = PrepareSchema(**connection, migrate);
      if (ready.ok()) ready = UseWal(**connection);
    }
    if (!ready.ok()) return CannotOpen(path, ready);
    opened.push_back(*std::move(connection));
  }
  return opened;
}

}  // namespace tracker::store::sqlite
