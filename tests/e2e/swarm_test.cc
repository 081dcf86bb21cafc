// The main job: checksum_swarm over a small tree, in peace and with its workers killed.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/e2e/api.h"
#include "tests/e2e/world.h"

namespace tracker::e2e {
namespace {

namespace fs = std::filesystem;

constexpr int kFiles = 400;
constexpr char kUnreadable[] = "sub/unreadable";

class Swarm : public StoreTest {
 protected:
  Swarm() : tree_(world_.folder() + "/tree") {
    fs::create_directories(tree_ + "/sub/deeper");
    std::mt19937 random(1);
    for (int i = 0; i < kFiles; ++i) {
      const char* folder = i % 3 == 0 ? "/" : i % 3 == 1 ? "/sub/" : "/sub/deeper/";
      std::string content(i % 50 == 0 ? 300'000 : random() % 5000, '\0');
      for (char& byte : content) byte = static_cast<char>(random());
      WriteFile(absl::StrCat(tree_, folder, "file", i), content);
    }
    for (const char* name : {"with space", "100%", "quo'te\"s", "back\\slash", "ümläut",
                             "new\nline", "not utf-8 \xff", "-dash"})
      WriteFile(absl::StrCat(tree_, "/sub/", name), name);
    WriteFile(absl::StrCat(tree_, "/", kUnreadable), "secret");
    chmod(absl::StrCat(tree_, "/", kUnreadable).c_str(), 0);
  }

  Ended Run(Api& api, const std::string& address, std::vector<std::string> flags) {
    std::vector<std::string> command = {ProgramPath("checksum_swarm"), "--server", address,
                                        "--namespace", kJobs};
    command.insert(command.end(), flags.begin(), flags.end());
    command.push_back(tree_);
    const Ended ended = world_.Run(command, absl::Seconds(100), /*heed_permissions=*/true);
    EXPECT_EQ(ended.exit_code, 0) << ended.out << ended.err;
    EXPECT_TRUE(absl::StrContains(ended.out, "verified: ")) << ended.out;
    const v1::Task unreadable = api.Get(kUnreadable);
    EXPECT_EQ(unreadable.status(), v1::STATUS_EXHAUSTED);
    EXPECT_TRUE(unreadable.errors_size() > 0 &&
                absl::StrContains(unreadable.errors(unreadable.errors_size() - 1).message(),
                                  "Permission denied"))
        << unreadable.ShortDebugString();
    EXPECT_TRUE(absl::StrContains(ended.out, kUnreadable)) << ended.out;
    EXPECT_EQ(api.Count(kJobs), (std::map<v1::Status, int64_t>{{v1::STATUS_SUCCEEDED, kFiles + 8},
                                                               {v1::STATUS_EXHAUSTED, 1}}));
    return ended;
  }

  // The number at the end of the summary's line that begins so.
  static int Summary(const std::string& out, const std::string& what) {
    for (absl::string_view line : absl::StrSplit(out, '\n')) {
      if (!absl::StrContains(line, what)) continue;
      int number = -1;
      if (absl::SimpleAtoi(line.substr(line.rfind(' ') + 1), &number)) return number;
    }
    return -1;
  }

  const std::string tree_;
};

TEST_P(Swarm, HashesEveryFileOnce) {
  const std::string address = world_.Serve(world_.NewStore(GetParam())).address();
  Api api(address);
  Run(api, address, {"--workers", "4"});
}

TEST_P(Swarm, HashesEveryFileOnceWhileItsWorkersAreKilled) {
  const std::string address = world_.Serve(world_.NewStore(GetParam())).address();
  Api api(address);
  const Ended ended = Run(
      api, address,
      {"--workers", "4", "--chaos", "--chaos-interval", "60ms", "--lease", "1s", "--seed", "7"});
  EXPECT_GT(Summary(ended.out, "workers killed"), 0) << ended.out;
  EXPECT_GE(Summary(ended.out, "attempts crashed"), 0) << ended.out;
}

INSTANTIATE_TEST_SUITE_P(Stores, Swarm, BothKinds(), KindName);

}  // namespace
}  // namespace tracker::e2e
