// The way of operators: the real grpcurl, which knows the API by reflection only.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "tests/e2e/world.h"

namespace tracker::e2e {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr char kService[] = "tracker.v1.TrackerService";
constexpr char kLock[] = "0123456789abcdef0123456789abcdef";

// On PATH, or where ./test puts it; empty when it is nowhere.
std::string FindGrpcurl() {
  std::vector<std::string> folders;
  if (const char* path = std::getenv("PATH")) folders = absl::StrSplit(path, ':');
  const fs::path programs = fs::path(ProgramPath("trackerd")).parent_path();
  folders.push_back(programs / "../tools");
  folders.push_back(programs / "../../tools");
  for (const std::string& folder : folders) {
    std::error_code error;
    const fs::path program = fs::canonical(fs::path(folder) / "grpcurl", error);
    if (!error) return program.string();
  }
  return "";
}

class Grpcurl : public StoreTest {
 protected:
  void SetUp() override {
    program_ = FindGrpcurl();
    if (program_.empty()) {
      GTEST_SKIP() << "there is no grpcurl on PATH or in build/tools: NOTHING of it is tested. "
                      "./test builds it where Go is; or put one on PATH";
    }
    address_ = world_.Serve(world_.NewStore(GetParam())).address();
  }

  Ended Ask(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {program_, "-plaintext"});
    return world_.Run(arguments);
  }

  // What a method answers.
  json Call(const std::string& method, const json& request) {
    const Ended ended = Ask({"-d", request.dump(), address_, absl::StrCat(kService, "/", method)});
    EXPECT_EQ(ended.exit_code, 0) << method << ": " << ended.err;
    return json::parse(ended.out, nullptr, false);
  }
  // The text of a refusal, without its white space.
  std::string Refused(const std::string& method, const json& request) {
    const Ended ended = Ask({"-d", request.dump(), address_, absl::StrCat(kService, "/", method)});
    EXPECT_NE(ended.exit_code, 0) << method << ": " << ended.out;
    std::string text;
    for (const char c : ended.err) {
      if (!absl::ascii_isspace(static_cast<unsigned char>(c))) text += c;
    }
    // Older and newer versions of grpcurl write the names of fields one way or the other.
    return absl::StrReplaceAll(text, {{"retryDelay", "retry_delay"}});
  }

  static json Task(const std::string& id) { return {{"namespace", "jobs"}, {"id", id}}; }
  static json With(json request, const json& more) {
    request.update(more);
    return request;
  }
  static void ExpectAll(const std::string& text, const std::vector<std::string>& words) {
    for (const std::string& word : words)
      EXPECT_TRUE(absl::StrContains(text, word)) << word << " is not in:\n" << text;
  }

  std::string program_;
  std::string address_;
};

TEST_P(Grpcurl, FindsItsWayByReflection) {
  Ended ended = Ask({address_, "list"});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  ExpectAll(ended.out, {kService, "tracker.v1.AdminService", "grpc.health.v1.Health"});
  ended = Ask({address_, "list", kService});
  ExpectAll(ended.out,
            {"Create", "Start", "Claim", "Heartbeat", "Succeed", "Fail", "Release", "Ignore",
             "Reset", "Delete", "Get", "List", "Count", "Batch", "BulkUpdate", "GroupErrors"});
  ended = Ask({address_, "describe", "tracker.v1.Task"});
  ExpectAll(ended.out, {"string namespace = 1;", ".google.protobuf.Struct data = 16;",
                        "repeated .tracker.v1.TaskError errors = 17;"});
  for (const std::string& service :
       {std::string(), std::string(kService), std::string("tracker.v1.AdminService")}) {
    ended = Ask({"-d", json{{"service", service}}.dump(), address_, "grpc.health.v1.Health/Check"});
    ExpectAll(ended.out, {"\"SERVING\""});
  }
  ended = Ask({"-d", R"({"service":"nobody"})", address_, "grpc.health.v1.Health/Check"});
  ExpectAll(ended.err, {"NotFound"});
}

TEST_P(Grpcurl, WalksATaskThroughItsLife) {
  json answer = Call("Create", With(Task("a"), {{"data", {{"pages", 3}}}, {"priority", 7}}));
  EXPECT_EQ(answer["task"]["status"], "STATUS_PENDING");
  answer = Call("Start", With(Task("a"), {{"worker", "me"}, {"lock", kLock}, {"lease", "90s"}}));
  EXPECT_EQ(answer["task"]["lock"], kLock);
  EXPECT_EQ(answer["task"]["fence"], "1");
  EXPECT_EQ(answer["task"]["data"]["pages"], 3);
  answer = Call("Heartbeat", With(Task("a"), {{"lock", kLock}, {"data", {{"pages", 2}}}}));
  EXPECT_EQ(answer["task"]["data"]["pages"], 2);
  EXPECT_FALSE(answer["task"].contains("lock"));
  answer = Call("Succeed", With(Task("a"), {{"lock", kLock}}));
  EXPECT_EQ(answer["task"]["status"], "STATUS_SUCCEEDED");
  answer = Call("Get", Task("a"));
  EXPECT_EQ(answer["task"]["attempts"], 1);
  EXPECT_EQ(answer["task"]["worker"], "me");
  answer = Call("List", {{"namespace", "jobs"}, {"statuses", {"STATUS_SUCCEEDED"}}});
  EXPECT_EQ(answer["tasks"].size(), 1u);
  answer = Call("Batch", {{"operations", json::array({{{"create", Task("b")}},
                                                      {{"reset", Task("a")}},
                                                      {{"ignore", Task("missing")}}})}});
  EXPECT_EQ(answer["results"][0]["task"]["id"], "b");
  EXPECT_EQ(answer["results"][1]["task"]["status"], "STATUS_PENDING");
  ExpectAll(answer["results"][2]["error"].dump(), {"TASK_NOT_FOUND", "google.rpc.ErrorInfo"});
  answer = Call("Count", json::object());
  EXPECT_EQ(answer["counts"],
            json::parse(R"([{"namespace":"jobs","status":"STATUS_PENDING","count":"2"}])"));
}

TEST_P(Grpcurl, ReadsRefusals) {
  Call("Start", With(Task("a"), {{"worker", "me"}, {"createIfMissing", true}}));
  ExpectAll(Refused("Start", Task("a")),
            {"Code:Aborted", "google.rpc.ErrorInfo", "\"domain\":\"tracker\"",
             "\"reason\":\"TASK_LOCKED\"", "\"worker\":\"me\"", "google.rpc.RetryInfo",
             "\"retry_delay\":\"", "tracker.v1.Task", "\"status\":\"STATUS_IN_PROGRESS\""});
  ExpectAll(Refused("Succeed", With(Task("a"), {{"lock", kLock}})),
            {"Code:Aborted", "\"reason\":\"LOCK_LOST\"", "\"fence\":\"1\""});
  ExpectAll(Refused("Get", Task("b")), {"Code:NotFound", "\"reason\":\"TASK_NOT_FOUND\""});
  ExpectAll(Refused("Create", Task("a")), {"Code:AlreadyExists", "\"reason\":\"TASK_EXISTS\""});
  ExpectAll(Refused("Start", With(Task(""), {{"lease", "-1s"}})),
            {"Code:InvalidArgument", "\"reason\":\"INVALID_ARGUMENT\"", "google.rpc.BadRequest",
             "\"field\":\"id\"", "\"field\":\"lease\""});
  ExpectAll(Refused("Claim", {{"namespace", "jobs"}, {"limit", 1001}, {"wait", "61s"}}),
            {"Code:InvalidArgument", "\"field\":\"limit\"", "\"field\":\"wait\""});
}

TEST_P(Grpcurl, ClaimWaitsForATask) {
  EXPECT_EQ(Call("Claim", {{"namespace", "jobs"}}), json::object()) << "there is none";
  std::thread later([this] {
    absl::SleepFor(absl::Milliseconds(500));
    Call("Create", With(Task("a"), {{"data", {{"pages", 3}}}}));
  });
  const absl::Time begin = absl::Now();
  const json answer = Call("Claim", {{"namespace", "jobs"}, {"wait", "30s"}, {"lock", kLock}});
  later.join();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
  ASSERT_EQ(answer["tasks"].size(), 1u);
  EXPECT_EQ(answer["tasks"][0]["lock"], kLock);
  EXPECT_EQ(answer["tasks"][0]["data"]["pages"], 3);
  // The same again, since the answer may have been lost.
  EXPECT_EQ(Call("Claim", {{"namespace", "jobs"}, {"lock", kLock}})["tasks"][0]["id"], "a");
  Call("Succeed", With(Task("a"), {{"lock", kLock}}));
}

TEST_P(Grpcurl, StepsWaitForTheirPredecessors) {
  const json load = {{"namespace", "load"},
                     {"id", "1"},
                     {"createIfMissing", true},
                     {"after", {"extract", "transform"}}};
  ExpectAll(Refused("Start", load), {"Code:FailedPrecondition", "\"reason\":\"TASK_NOT_READY\"",
                                     "\"missing\":\"extract,transform\""});
  for (const char* step : {"extract", "transform"}) {
    const json task = {{"namespace", step}, {"id", "1"}};
    Call("Start", With(task, {{"lock", kLock}, {"createIfMissing", true}}));
    Call("Succeed", With(task, {{"lock", kLock}}));
  }
  EXPECT_EQ(Call("Start", load)["task"]["status"], "STATUS_IN_PROGRESS");
}

TEST_P(Grpcurl, PausedNamespaceSaysWhy) {
  Call("Create", Task("a"));
  const json set =
      Call("SetPolicy",
           {{"policy",
             {{"namespace", "jobs"}, {"paused", true}, {"pauseReason", "the bank is closed"}}}});
  EXPECT_EQ(set["policy"]["lease"], "900s") << "defaults come back explicit";
  EXPECT_EQ(set["policy"]["backoff"]["multiplier"], 2);
  for (const char* method : {"Start", "Claim"}) {
    const json request = method == std::string("Start") ? Task("a") : json{{"namespace", "jobs"}};
    ExpectAll(Refused(method, request),
              {"Code:FailedPrecondition", "NAMESPACE_PAUSED", "thebankisclosed"});
  }
  Call("DeletePolicy", {{"namespace", "jobs"}});
  EXPECT_EQ(Call("Claim", {{"namespace", "jobs"}})["tasks"].size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(Stores, Grpcurl, BothKinds(), KindName);

}  // namespace
}  // namespace tracker::e2e
