// Other systems that refuse a worker which has lost its lock, and does not know it yet.
//
//   guide_fencing [address]
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "tracker/client.h"

namespace {

bool Put(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  return !file.fail();
}

// GUIDE-BEGIN fencing-file
// Replaces the file, unless a later attempt has written it. The fence that wrote it last stands in
// a file beside it, under a lock of the operating system, so that check and write are one step.
absl::Status WriteFenced(const std::filesystem::path& path, const std::string& text,
                         int64_t fence) {
  const std::string guard_path = path.string() + ".fence";
  const int guard = open(guard_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (guard < 0 || flock(guard, LOCK_EX) != 0)
    return absl::UnavailableError(absl::StrCat("cannot lock ", guard_path));
  int64_t last = 0;
  std::ifstream(guard_path) >> last;
  absl::Status status;
  if (fence < last) {
    status = absl::AbortedError(absl::StrCat("attempt ", last, " has written it; this is ", fence));
  } else if (!Put(guard_path, absl::StrCat(fence)) || !Put(path.string() + ".new", text)) {
    status = absl::UnavailableError(absl::StrCat("cannot write beside ", path.string()));
  } else {
    std::filesystem::rename(path.string() + ".new", path);
  }
  close(guard);  // and unlock
  return status;
}
// GUIDE-END fencing-file

// GUIDE-BEGIN fencing-row
// Writes the row, unless a later attempt has. One statement: the database makes it one step.
constexpr char kSave[] =
    "INSERT INTO thumbnail (id, picture, fence) VALUES (?1, ?2, ?3) "
    "ON CONFLICT (id) DO UPDATE SET picture = excluded.picture, fence = excluded.fence "
    "WHERE thumbnail.fence <= excluded.fence";

absl::Status SaveFenced(sqlite3* db, const std::string& id, const std::string& picture,
                        int64_t fence) {
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(db, kSave, -1, &statement, nullptr);
  sqlite3_bind_text(statement, 1, id.c_str(), -1, SQLITE_TRANSIENT);
  sqlite3_bind_text(statement, 2, picture.c_str(), -1, SQLITE_TRANSIENT);
  sqlite3_bind_int64(statement, 3, fence);
  const int done = sqlite3_step(statement);
  sqlite3_finalize(statement);
  if (done != SQLITE_DONE) return absl::UnavailableError(sqlite3_errmsg(db));
  if (sqlite3_changes(db) == 0) return absl::AbortedError("a later attempt has written this row");
  return absl::OkStatus();
}
// GUIDE-END fencing-row

// An old worker that was taken for dead, and the one that took over.
int Play(tracker::Client& client, const std::filesystem::path& folder, sqlite3* db) {
  auto old_worker = client.Start("thumbnails", "cat", {.create_if_missing = true});
  auto new_worker = client.Start("thumbnails", "cat", {.ignore_lock = true});
  if (!old_worker.ok() || !new_worker.ok()) return 1;
  const auto file = folder / "cat.png";
  const int64_t stale = old_worker->fence(), current = new_worker->fence();
  std::cout << "new file: " << WriteFenced(file, "new", current) << "\n"
            << "new row: " << SaveFenced(db, "cat", "new", current) << "\n"
            << "old file: " << WriteFenced(file, "old", stale) << "\n"
            << "old row: " << SaveFenced(db, "cat", "old", stale) << "\n"
            << "new row again: " << SaveFenced(db, "cat", "new", current) << "\n";
  std::string text;
  std::ifstream(file) >> text;
  std::cout << "the file says " << text << "\n";
  return std::move(*new_worker).Succeed().ok() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  auto client = tracker::Client::Connect(argc > 1 ? argv[1] : "127.0.0.1:7070");
  std::string folder = (std::filesystem::temp_directory_path() / "tracker_fencing.XXXXXX").string();
  sqlite3* db = nullptr;
  if (mkdtemp(folder.data()) == nullptr || sqlite3_open(":memory:", &db) != SQLITE_OK) return 1;
  sqlite3_exec(db, "CREATE TABLE thumbnail (id TEXT PRIMARY KEY, picture TEXT, fence INTEGER)",
               nullptr, nullptr, nullptr);
  const int result = Play(*client, folder, db);
  sqlite3_close(db);
  std::filesystem::remove_all(folder);
  return result;
}
