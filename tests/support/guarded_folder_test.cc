// What a killed test leaves: nothing, neither files nor processes.
#include "tests/support/guarded_folder.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/support/child_process.h"

namespace tracker::testing {
namespace {

namespace fs = std::filesystem;

bool Await(const std::function<bool()>& condition) {
  const absl::Time end = absl::Now() + absl::Seconds(60);
  while (!condition()) {
    if (absl::Now() > end) return false;
    absl::SleepFor(absl::Milliseconds(10));
  }
  return true;
}

std::string Read(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// Not merely waiting for somebody to ask how it ended.
bool Runs(pid_t pid) {
  std::error_code error;
  (void)fs::read_symlink(absl::StrCat("/proc/", pid, "/cwd"), error);
  return !error;
}

pid_t WatchdogOf(const std::string& folder) {
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string command = Read(entry.path() / "cmdline");
    pid_t pid = -1;
    if (absl::StrContains(command, "watchdog.sh") && absl::EndsWith(command, folder + '\0') &&
        absl::SimpleAtoi(entry.path().filename().string(), &pid)) {
      return pid;
    }
  }
  return -1;
}

// Before that it has neither its folder nor its environment.
bool HasBegun(pid_t sleeper) { return Read(absl::StrCat("/proc/", sleeper, "/comm")) == "sleep\n"; }

// Starts a program that runs for long, and does not end with who has started it.
pid_t StartSleeper(const std::string& working_folder, const std::string& temporary_folder) {
  const auto pid =
      StartChild({"/usr/bin/env", absl::StrCat("TMPDIR=", temporary_folder), "sleep", "1000"},
                 {.working_folder = working_folder});
  return pid.ok() && Await([&] { return HasBegun(*pid); }) ? *pid : -1;
}

// A process that has made a folder, and started programs in it.
struct Maker {
  pid_t pid = -1;
  std::string folder;
  std::vector<pid_t> programs;
};

class GuardedFolderTest : public ::testing::Test {
 protected:
  // The program's own folder: in it, nobody else's watchdog is about.
  const std::string parent_ = fs::temp_directory_path().string();

  Maker StartMaker() const {
    int ends[2];
    if (pipe(ends) != 0) return {};
    const pid_t pid = fork();
    if (pid == 0) {
      close(ends[0]);
      const auto folder = GuardedFolder::Make(parent_);
      if (!folder.ok()) _exit(1);
      const std::string& path = (*folder)->path();
      fs::create_directory(path + "/deep");
      std::ofstream(path + "/deep/file") << "x";
      const std::string line =
          absl::StrCat(path, " ", StartSleeper(path + "/deep", "/"), " ", StartSleeper("/", path));
      if (write(ends[1], line.data(), line.size()) < 0) _exit(1);
      close(ends[1]);
      while (true) pause();
    }
    close(ends[1]);
    std::string line;
    char buffer[200];
    for (ssize_t n = 0; (n = read(ends[0], buffer, sizeof(buffer))) > 0;) line.append(buffer, n);
    close(ends[0]);
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    Maker maker{.pid = pid, .folder = words[0]};
    for (size_t i = 1; i < words.size(); ++i) {
      if (!absl::SimpleAtoi(words[i], &maker.programs.emplace_back(-1))) maker.programs.back() = -1;
    }
    return maker;
  }

  static void Kill(pid_t pid) {
    ASSERT_GT(pid, 0);
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    ASSERT_TRUE(Await([&] { return !Runs(pid); }));
  }

  static void ExpectNothingIsLeft(const Maker& maker) {
    EXPECT_TRUE(Await([&] { return !fs::exists(maker.folder); })) << maker.folder;
    for (const pid_t pid : maker.programs) EXPECT_FALSE(Runs(pid)) << pid;
  }
};

TEST_F(GuardedFolderTest, GoesWithTheObject) {
  auto folder = GuardedFolder::Make(parent_);
  ASSERT_TRUE(folder.ok()) << folder.status();
  const std::string path = (*folder)->path();
  std::ofstream(path + "/file") << "x";
  const pid_t watchdog = WatchdogOf(path);
  EXPECT_GT(watchdog, 0);
  // A process that was forked from this one ends.
  const pid_t child = fork();
  if (child == 0) {
    folder->reset();
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(fs::exists(path + "/file"));
  folder->reset();
  EXPECT_FALSE(fs::exists(path));
  EXPECT_TRUE(Await([&] { return !Runs(watchdog); }));
}

TEST_F(GuardedFolderTest, GoesWithAKilledMakerAndAllThatRanInIt) {
  const Maker maker = StartMaker();
  ASSERT_EQ(maker.programs.size(), 2u);
  for (const pid_t pid : maker.programs) ASSERT_TRUE(Runs(pid));
  Kill(maker.pid);
  ExpectNothingIsLeft(maker);
}

TEST_F(GuardedFolderTest, GoesWithTheNextOneWhereTheWatchdogWasKilledToo) {
  const Maker maker = StartMaker();
  const Maker alive = StartMaker();
  ASSERT_EQ(maker.programs.size(), 2u);
  ASSERT_EQ(alive.programs.size(), 2u);
  Kill(WatchdogOf(maker.folder));
  Kill(maker.pid);
  EXPECT_TRUE(fs::exists(maker.folder));
  for (const pid_t pid : maker.programs) EXPECT_TRUE(Runs(pid));
  // The folder of a maker that lives stays, even when its watchdog has been killed.
  Kill(WatchdogOf(alive.folder));
  const auto next = GuardedFolder::Make(parent_);
  ASSERT_TRUE(next.ok()) << next.status();
  ExpectNothingIsLeft(maker);
  EXPECT_TRUE(fs::exists(alive.folder + "/deep/file"));
  for (const pid_t pid : alive.programs) EXPECT_TRUE(Runs(pid));
  Kill(alive.pid);
  const auto last = GuardedFolder::Make(parent_);
  ExpectNothingIsLeft(alive);
}

TEST_F(GuardedFolderTest, SaysWhereItCannotBeMade) {
  const auto folder = GuardedFolder::Make(parent_ + "/missing");
  EXPECT_EQ(folder.status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(absl::StrContains(folder.status().message(), parent_ + "/missing"));
}

// A whole test program, as it is: its temporary files are in a folder that goes with it.
TEST(ProgramFolderTest, DISABLED_WritesItsFolderAndWaits) {
  const std::string folder = fs::temp_directory_path();
  std::printf("%s %d\n", folder.c_str(), StartSleeper("/", folder));
  std::fflush(stdout);
  while (true) pause();
}

// The same of a test script.
constexpr char kScript[] =
    "set -euo pipefail; . \"$0\"; sleep 1000 & echo \"$work $!\"; wait \"$!\"";

TEST(ProgramFolderTest, GoesWithAKilledTestProgramAndWithAKilledTestScript) {
  const std::string self = fs::read_symlink("/proc/self/exe");
  const std::vector<std::string> without = {"/usr/bin/env", "-u", "TMPDIR", "-u", "TEST_TMPDIR"};
  const std::vector<std::vector<std::string>> commands = {
      {self, "--gtest_also_run_disabled_tests", "--gtest_filter=*WritesItsFolderAndWaits"},
      {"/bin/bash", "-c", kScript, SUPPORT "/trackerd.sh"}};
  for (const std::vector<std::string>& command : commands) {
    SCOPED_TRACE(command[0]);
    const std::string output = (fs::temp_directory_path() / "output").string();
    std::vector<std::string> argv = without;
    argv.insert(argv.end(), command.begin(), command.end());
    const auto pid = StartChild(argv, {.output_file = output});
    ASSERT_TRUE(pid.ok());
    std::string folder;
    pid_t program = -1;
    ASSERT_TRUE(Await([&] {
      for (absl::string_view line : absl::StrSplit(Read(output), '\n')) {
        const std::pair<std::string, std::string> words = absl::StrSplit(line, ' ');
        if (absl::StrContains(words.first, "/tracker-run-") &&
            absl::SimpleAtoi(words.second, &program) && HasBegun(program)) {
          folder = words.first;
        }
      }
      return !folder.empty();
    })) << Read(output);
    EXPECT_TRUE(fs::exists(folder));
    EXPECT_NE(folder, fs::temp_directory_path());
    EXPECT_TRUE(Runs(program));
    kill(*pid, SIGKILL);
    WaitForChild(*pid, absl::Seconds(10), nullptr);
    EXPECT_TRUE(Await([&] { return !fs::exists(folder); })) << folder;
    EXPECT_FALSE(Runs(program));
    fs::remove(output);
  }
}

}  // namespace
}  // namespace tracker::testing
