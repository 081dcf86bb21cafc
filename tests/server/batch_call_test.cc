#include "server/batch_call.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "src/base/limits.h"

namespace tracker::server {
namespace {

v1::BatchRequest Creates(int count) {
  v1::BatchRequest request;
  for (int i = 0; i < count; ++i) {
    v1::CreateRequest* create = request.add_operations()->mutable_create();
    create->set_namespace_("n");
    create->set_id(absl::StrCat(i));
  }
  return request;
}

domain::Outcome Done(const domain::Command& command, const std::string& data) {
  domain::Outcome outcome;
  outcome.task = domain::Task{.key = command.key, .data = data};
  return outcome;
}

TEST(BatchCall, GivesEachOperationItsOwnResult) {
  v1::BatchRequest request = Creates(4);
  request.mutable_operations(1)->Clear();
  request.mutable_operations(2)->mutable_create()->set_id("");
  BatchCall batch(request);
  const std::vector<domain::Command> commands = batch.TakeCommands();
  ASSERT_EQ(commands.size(), 2u);
  const v1::BatchResponse response = batch.Answer(
      {Done(commands[0], ""), {.reason = domain::Reason::kTaskExists, .message = "there"}});
  ASSERT_EQ(response.results_size(), 4);
  EXPECT_EQ(response.results(0).task().id(), "0");
  EXPECT_EQ(response.results(1).error().message(), "operations[1] names no operation");
  EXPECT_EQ(response.results(2).error().message(), "operations[2].create.id is required");
  EXPECT_EQ(response.results(3).error().code(), 6);
}

TEST(BatchCall, LeavesDataOutBeyondWhatAnAnswerHolds) {
  BatchCall batch(Creates(1000));
  const std::string data = absl::StrCat(R"({"k":")", std::string(20'000, 'x'), R"("})");
  std::vector<domain::Outcome> outcomes;
  for (const domain::Command& command : batch.TakeCommands())
    outcomes.push_back(Done(command, data));
  const v1::BatchResponse response = batch.Answer(outcomes);
  EXPECT_LT(response.ByteSizeLong(), limits::kAnswerBytes);
  EXPECT_GT(response.ByteSizeLong(), limits::kAnswerBytes - 100'000);
  EXPECT_FALSE(response.results(0).task().truncated());
  EXPECT_TRUE(response.results(0).task().has_data());
  EXPECT_TRUE(response.results(999).task().truncated());
  EXPECT_EQ(response.results(999).task().id(), "999");
}

TEST(BatchCall, KeepsTheReasonOfEveryErrorWithTheLongestNames) {
  BatchCall batch(Creates(1000));
  std::vector<domain::Outcome> outcomes;
  for (int i = 0; i < 1000; ++i) {
    domain::Outcome outcome{.reason = domain::Reason::kTaskLocked,
                            .message = std::string(1000, 'm')};
    outcome.task = domain::Task{.key = {std::string(128, 'n'), std::string(512, 'i')},
                                .worker = std::string(256, 'w')};
    outcome.retry_after = absl::Seconds(1);
    outcomes.push_back(std::move(outcome));
  }
  const v1::BatchResponse response = batch.Answer(outcomes);
  EXPECT_LT(response.ByteSizeLong(), limits::kAnswerBytes);
  for (const v1::OperationResult& result : response.results()) {
    google::rpc::ErrorInfo info;
    ASSERT_GE(result.error().details_size(), 1);
    ASSERT_TRUE(result.error().details(0).UnpackTo(&info));
    EXPECT_EQ(info.reason(), "TASK_LOCKED");
  }
}

}  // namespace
}  // namespace tracker::server
