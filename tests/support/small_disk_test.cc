#include "tests/support/small_disk.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/time/clock.h"

namespace tracker::testing {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kBytes = 8 << 20;

bool CanWrite(const std::string& path) {
  std::ofstream file(path);
  file << std::string(64 * 1024, 'x') << std::flush;
  return file.good();
}

bool IsMounted(const std::string& path) {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string line; std::getline(mounts, line);) {
    if (absl::StrContains(line, " " + path + " ")) return true;
  }
  return false;
}

TEST(SmallDiskTest, IsFullOnCommandAndGoesWithItsObject) {
  auto disk = SmallDisk::Mount(kBytes);
  if (absl::IsPermissionDenied(disk.status())) GTEST_SKIP() << disk.status().message();
  ASSERT_TRUE(disk.ok()) << disk.status();
  const std::string path = (*disk)->path();
  EXPECT_TRUE(CanWrite(path + "/before"));
  ASSERT_TRUE((*disk)->Fill().ok());
  EXPECT_FALSE(CanWrite(path + "/full"));
  ASSERT_TRUE((*disk)->Free().ok());
  EXPECT_TRUE(CanWrite(path + "/after"));
  disk->reset();
  EXPECT_FALSE(IsMounted(path));
  EXPECT_FALSE(fs::exists(fs::path(path).parent_path()));
}

TEST(SmallDiskTest, IsUnmountedWhenTheProcessIsKilled) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto disk = SmallDisk::Mount(kBytes);
    const std::string path = disk.ok() ? (*disk)->path() : "";
    if (!path.empty()) CanWrite(path + "/file");
    if (write(ends[1], path.data(), path.size()) < 0) _exit(1);
    close(ends[1]);
    if (!path.empty()) pause();
    _exit(0);
  }
  close(ends[1]);
  char buffer[200] = {};
  const ssize_t size = read(ends[0], buffer, sizeof(buffer));
  close(ends[0]);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  if (size <= 0) GTEST_SKIP() << "no small disk can be mounted here";
  const std::string path(buffer, static_cast<size_t>(size));
  const absl::Time end = absl::Now() + absl::Seconds(20);
  while (fs::exists(fs::path(path).parent_path()) && absl::Now() < end) {
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_FALSE(IsMounted(path));
  EXPECT_FALSE(fs::exists(fs::path(path).parent_path()));
}

}  // namespace
}  // namespace tracker::testing
