#include "tests/support/child_process.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"

namespace tracker::testing {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kAnother = 65534;

class ChildProcessTest : public ::testing::Test {
 protected:
  ChildProcessTest() : folder_(fs::temp_directory_path() / "child") {
    fs::create_directory(folder_);
    fs::permissions(folder_, fs::perms::owner_all);
  }
  ~ChildProcessTest() override { fs::remove_all(folder_); }

  // How it ended, and what it said.
  std::string Run(const std::vector<std::string>& argv, ChildOptions options = {}) {
    const std::string output = folder_ / "output";
    fs::remove(output);
    options.output_file = output;
    const auto pid = StartChild(argv, options);
    int exit_status = 0;
    if (!pid.ok() || !WaitForChild(*pid, absl::Seconds(60), &exit_status)) return "no end";
    std::stringstream text;
    text << std::ifstream(output).rdbuf();
    return DescribeExit(exit_status) + ": " + text.str();
  }

  // Closed to others.
  const fs::path folder_;
};

TEST_F(ChildProcessTest, SaysHowItEnded) {
  EXPECT_EQ(Run({"/bin/sh", "-c", "echo so; exit 3"}), "exit status 3: so\n");
  EXPECT_EQ(Run({"/bin/sh", "-c", "kill -9 $$"}), "signal 9: ");
}

TEST_F(ChildProcessTest, SaysWhyItCouldNotBecomeTheProgram) {
  EXPECT_EQ(Run({"/no/such/program"}),
            "exit status 127: cannot run /no/such/program: No such file or directory\n");
  EXPECT_EQ(Run({"/bin/true"}, {.working_folder = "/no/folder"}),
            "exit status 126: cannot go to /no/folder: No such file or directory\n");
}

TEST_F(ChildProcessTest, AnotherUserReachesAProgramBelowAClosedFolder) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can run a program as another user";
  const fs::path program = folder_ / "program";
  std::ofstream(program) << "#!/bin/sh\nid -u\npwd\n";
  fs::permissions(program, fs::perms::all);
  EXPECT_EQ(Run({program}, {.working_folder = folder_, .uid = kAnother, .gid = kAnother}),
            "exit status 0: 65534\n" + folder_.string() + "\n");
}

TEST_F(ChildProcessTest, HeedsPermissionsWhoeverRunsIt) {
  const fs::path file = folder_ / "file";
  std::ofstream(file) << "secret\n";
  fs::permissions(file, fs::perms::none);
  EXPECT_TRUE(
      absl::StrContains(Run({"/bin/cat", file}, {.heed_permissions = true}), "Permission denied"));
  fs::permissions(file, fs::perms::owner_read);
  EXPECT_EQ(Run({"/bin/cat", file}, {.heed_permissions = true}), "exit status 0: secret\n");
  EXPECT_TRUE(
      absl::StrContains(Run({"/bin/sh", "-c", "echo x >>\"$0\"", file}, {.heed_permissions = true}),
                        "Permission denied"));
}

}  // namespace
}  // namespace tracker::testing
