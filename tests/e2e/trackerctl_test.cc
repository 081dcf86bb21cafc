// trackerctl against a real server: what it does, prints, and ends with.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/e2e/trackerctl_world.h"

namespace tracker::e2e {
namespace {

using nlohmann::json;

class Trackerctl : public TrackerctlWorld {
 protected:
  Trackerctl() { Serve(); }

  void ExpectRefused(std::vector<std::string> arguments, const std::string& reason) {
    const Ended ended = Run(arguments);
    EXPECT_EQ(ended.exit_code, kRefused) << ended.out;
    EXPECT_TRUE(absl::StrContains(ended.err, reason)) << ended.err;
    EXPECT_EQ(ended.out, "");
    arguments.push_back("--json");
    const json error = json::parse(Run(arguments).err, nullptr, false);
    ASSERT_TRUE(error.is_object());
    EXPECT_EQ(error["error"]["reason"], reason);
  }
};

TEST_P(Trackerctl, WalksATaskThroughItsLife) {
  EXPECT_EQ(Line({"create", "jobs", "a", "--data", R"({"pages": 3})"})["status"], "pending");
  json task = Line({"start", "jobs", "a", "--worker", "me", "--lease", "1m"});
  EXPECT_EQ(task["fence"], 1);
  std::string lock = task["lock"];
  EXPECT_EQ(lock.size(), 32u);
  task = Line({"heartbeat", "jobs", "a", lock, "--lease", "2m"});
  EXPECT_GT(task["lease_remaining_ms"], 100'000);
  EXPECT_FALSE(task.contains("lock"));
  task = Line({"fail", "jobs", "a", lock, "--message", "page 2 is blank"});
  EXPECT_EQ(task["status"], "failed");
  EXPECT_EQ(task["errors"][0]["message"], "page 2 is blank");
  lock = Line({"start", "jobs", "a"})["lock"];
  EXPECT_EQ(Line({"release", "jobs", "a", lock})["status"], "pending");
  lock = Line({"start", "jobs", "a"})["lock"];
  task = Line({"succeed", "jobs", "a", lock, "--data", R"({"pages": 4})"});
  EXPECT_EQ(task["status"], "succeeded");
  EXPECT_EQ(Line({"get", "jobs", "a"})["data"]["pages"], 4);

  EXPECT_EQ(Line({"start", "jobs", "b", "--create"})["attempts"], 1);
  EXPECT_EQ(Lines({"list", "jobs"}).size(), 2u);
  EXPECT_EQ(Lines({"list", "jobs", "--status", "succeeded"}).size(), 1u);
  EXPECT_EQ(Lines({"list", "jobs", "--prefix", "x"}).size(), 0u);
  EXPECT_EQ(Lines({"count", "jobs"}).size(), 2u);
  EXPECT_EQ(Line({"ignore", "jobs", "b"})["status"], "ignored");
  EXPECT_EQ(Line({"reset", "jobs", "b"})["status"], "pending");
  Line({"delete", "jobs", "b"});
  EXPECT_EQ(Lines({"list", "jobs"}).size(), 1u);
}

TEST_P(Trackerctl, PrintsForPeople) {
  EXPECT_EQ(Run({"create", "jobs", "a"}).exit_code, kDone);
  const Ended started = Run({"start", "jobs", "a"});
  // What to do next can be pasted as it stands.
  EXPECT_TRUE(absl::StrContains(started.out, "trackerctl --server")) << started.out;
  const Ended list = Run({"list", "jobs"});
  EXPECT_TRUE(absl::StrContains(list.out, "in_progress")) << list.out;
  EXPECT_TRUE(absl::StrContains(Run({"get", "jobs", "a"}).out, "attempts")) << list.out;
  EXPECT_TRUE(absl::StrContains(Run({"count"}).out, "jobs"));
}

TEST_P(Trackerctl, RefusalsSayWhyAndEndWithOne) {
  Line({"start", "jobs", "a", "--create"});
  ExpectRefused({"start", "jobs", "a"}, "TASK_LOCKED");
  ExpectRefused({"succeed", "jobs", "a", std::string(32, 'a')}, "LOCK_LOST");
  ExpectRefused({"create", "jobs", "a"}, "TASK_EXISTS");
  ExpectRefused({"get", "jobs", "missing"}, "TASK_NOT_FOUND");
  ExpectRefused({"delete", "jobs", "a"}, "TASK_LOCKED");
  ExpectRefused({"get", "no space", "a"}, "INVALID_ARGUMENT");
}

TEST_P(Trackerctl, WrongUsageEndsWithTwo) {
  const std::vector<std::vector<std::string>> wrong = {{},
                                                       {"no-such-command"},
                                                       {"create", "jobs"},
                                                       {"create", "jobs", "a", "--data", "[1]"},
                                                       {"create", "jobs", "a", "--data", "{"},
                                                       {"start", "jobs", "a", "--lease", "soon"},
                                                       {"list", "jobs", "--status", "nice"}};
  for (const std::vector<std::string>& arguments : wrong) {
    const Ended ended = Run(arguments);
    EXPECT_EQ(ended.exit_code, kUsage) << ::testing::PrintToString(arguments);
    EXPECT_NE(ended.err, "");
  }
  EXPECT_EQ(Lines({"list", "jobs"}).size(), 0u);
}

TEST_P(Trackerctl, NoServerEndsWithThree) {
  address_ = "127.0.0.1:1";
  Ended ended = Run({"get", "jobs", "a", "--timeout", "300ms"});
  EXPECT_EQ(ended.exit_code, kUnavailable);
  EXPECT_TRUE(absl::StrContains(ended.err, "no answer from a trackerd at 127.0.0.1:1"))
      << ended.err;
  ended = Run({"get", "jobs", "a", "--timeout", "300ms", "--json"});
  EXPECT_EQ(ended.exit_code, kUnavailable);
  EXPECT_EQ(json::parse(ended.err, nullptr, false)["error"]["reason"], "UNREACHABLE");
}

INSTANTIATE_TEST_SUITE_P(Stores, Trackerctl, BothKinds(), KindName);

}  // namespace
}  // namespace tracker::e2e
