// Errors, many at once, pages, values.
#include "tracker/client.h"

#include <gtest/gtest.h>

#include "tests/client/scripted_transport.h"

namespace tracker::testing {
namespace {

TEST(Errors, StatusOfOthersSaysNothing) {
  for (const absl::Status& status : {absl::OkStatus(), absl::AbortedError("x")}) {
    EXPECT_EQ(ReasonOf(status), Reason::kNone);
    EXPECT_FALSE(TaskOf(status));
    EXPECT_FALSE(RetryAfterOf(status));
    EXPECT_FALSE(ReportFailed(status));
  }
}

TEST(Errors, NewReasonIsUnknownAndBrokenDetailsAreNone) {
  EXPECT_EQ(ReasonOf(Refusal(absl::StatusCode::kAborted, "FROM_THE_FUTURE")), Reason::kUnknown);
  EXPECT_EQ(ReasonOf(internal::MakeStatus(10, "x", "\xff\xff")), Reason::kNone);
  EXPECT_STREQ(ReasonName(Reason::kTaskLocked), "TASK_LOCKED");
}

TEST(Client, NamesThatAreNotUtf8AreRefusedBeforeSending) {
  Harness h;
  EXPECT_TRUE(absl::IsInvalidArgument(h.client->Start("jobs", "\xff").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(h.client->Get("\xff", "a").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(h.client->Delete("jobs", "\xed\xa0\x80").status()));
  EXPECT_TRUE(h.server->writes.empty());
}

TEST(Client, StepsBeforeTravelWithStartAndClaim) {
  Harness h;
  ASSERT_TRUE(h.client->Start("load", "a", {.after = {"extract", "transform"}}).ok());
  EXPECT_EQ(h.server->writes[0].start().after_size(), 2);
  EXPECT_EQ(h.server->writes[0].start().after(1), "transform");
  ASSERT_TRUE(h.client->Claim("load", {.after = {"extract"}}).ok());
  EXPECT_EQ(h.server->claims[0].after(0), "extract");
  EXPECT_TRUE(absl::IsInvalidArgument(h.client->Start("load", "a", {.after = {"\xff"}}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(h.client->Claim("load", {.after = {"\xff"}}).status()));
}

TEST(Client, ClaimThatBreaksOffIsRepeatedWithItsLock) {
  Harness h;
  h.server->claim = [](const v1::ClaimRequest& request) {
    v1::ClaimResponse response;
    v1::Task* task = response.add_tasks();
    task->set_lock(request.lock());
    internal::ToProto(absl::Seconds(9), task->mutable_lease_remaining());
    return response;
  };
  h.server->FailNext({absl::UnavailableError("gone"), absl::UnavailableError("gone")});
  const auto guards = h.client->Claim("jobs", {.wait = absl::Seconds(30)});
  ASSERT_TRUE(guards.ok()) << guards.status();
  ASSERT_EQ(guards->size(), 1u);
  ASSERT_EQ(h.server->claims.size(), 3u);
  EXPECT_EQ(h.server->claims[2].lock(), h.server->claims[0].lock());
  EXPECT_EQ(guards->front().lock(), h.server->claims[0].lock());
  EXPECT_TRUE(guards->front().held());
}

TEST(Client, RepeatedClaimThatIsEmptyBeforeTheWaitIsOverIsNoError) {
  Harness h;
  h.server->FailNext({absl::UnavailableError("gone")});
  const auto begin = h.clock.Now();
  const auto guards = h.client->Claim("jobs", {.wait = absl::Seconds(30)});
  ASSERT_TRUE(guards.ok()) << guards.status();
  EXPECT_TRUE(guards->empty());
  EXPECT_LT(h.clock.Now() - begin, absl::Seconds(30));
  ASSERT_EQ(h.server->claims.size(), 2u);
  ASSERT_TRUE(h.client->Claim("jobs").ok());
  EXPECT_NE(h.server->claims[2].lock(), h.server->claims[0].lock()) << "another call";
}

TEST(Client, FiltersOnErrorsTravelWithAList) {
  Harness h;
  v1::ListRequest asked;
  h.server->list = [&](const v1::ListRequest& request) {
    asked = request;
    return v1::ListResponse();
  };
  ASSERT_TRUE(h.client
                  ->List({.name_space = "jobs",
                          .error_text = "timeout",
                          .error_fingerprint = "00000000000000ab"})
                  .ok());
  EXPECT_EQ(asked.error_text(), "timeout");
  EXPECT_EQ(asked.error_fingerprint(), "00000000000000ab");
  EXPECT_TRUE(absl::IsInvalidArgument(
      h.client->List({.name_space = "jobs", .error_text = "\xff"}).status()));
}

TEST(Errors, StepThatIsMissingHasAReason) {
  EXPECT_EQ(ReasonOf(Refusal(absl::StatusCode::kFailedPrecondition, "TASK_NOT_READY")),
            Reason::kTaskNotReady);
}

TEST(CreateAll, ResultsKeepTheirOrder) {
  Harness h;
  h.server->answer = [](const v1::Operation& operation) -> absl::StatusOr<v1::Task> {
    if (operation.create().id() == "id7")
      return Refusal(absl::StatusCode::kAlreadyExists, "TASK_EXISTS");
    v1::Task task;
    task.set_id(operation.create().id());
    return task;
  };
  std::vector<NewTask> tasks;
  for (int i = 0; i < 2500; ++i)
    tasks.push_back({.name_space = "jobs", .id = "id" + std::to_string(i)});
  tasks[3].data = "[]";
  const auto results = h.client->CreateAll(tasks);
  ASSERT_EQ(results.size(), tasks.size());
  EXPECT_EQ(h.server->batches.size(), 3u);
  for (int i = 0; i < 2500; ++i) {
    if (i == 3) {
      EXPECT_EQ(ReasonOf(results[i].status()), Reason::kInvalidArgument);
    } else if (i == 7) {
      EXPECT_EQ(ReasonOf(results[i].status()), Reason::kTaskExists);
    } else {
      ASSERT_TRUE(results[i].ok()) << results[i].status();
      EXPECT_EQ(results[i]->id, tasks[i].id);
    }
  }
}

TEST(CreateAll, WhatIsUnavailableIsRepeatedAlone) {
  Harness h;
  h.server->answer = [asked =
                          0](const v1::Operation& operation) mutable -> absl::StatusOr<v1::Task> {
    if (++asked == 2) return Refusal(absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE");
    v1::Task task;
    task.set_id(operation.create().id());
    return task;
  };
  const std::vector<NewTask> tasks = {{"jobs", "a"}, {"jobs", "b"}, {"jobs", "c"}};
  const auto results = h.client->CreateAll(tasks);
  for (const auto& result : results) EXPECT_TRUE(result.ok());
  ASSERT_EQ(h.server->batches.size(), 2u);
  ASSERT_EQ(h.server->batches[1].operations_size(), 1);
  EXPECT_EQ(h.server->batches[1].operations(0).create().id(), "b");
}

TEST(CreateAll, LargeOnesAreSplitBySize) {
  Harness h;
  const std::string data = "{\"text\":\"" + std::string(200'000, 'x') + "\"}";
  std::vector<NewTask> tasks(50, {.name_space = "jobs", .id = "a", .data = data});
  h.client->CreateAll(tasks);
  for (const auto& batch : h.server->batches) EXPECT_LT(batch.ByteSizeLong(), 4u << 20);
  EXPECT_GT(h.server->batches.size(), 3u);
}

TEST(ListEach, GoesThroughEmptyPagesAndStopsWhenTold) {
  Harness h;
  h.server->list = [](const v1::ListRequest& request) {
    v1::ListResponse page;
    if (request.page_token() != "2") page.add_tasks()->set_id("x" + request.page_token());
    if (request.page_token() != "4")
      page.set_next_page_token(std::to_string(std::atoi(request.page_token().c_str()) + 1));
    return page;
  };
  std::vector<std::string> ids;
  ASSERT_TRUE(h.client
                  ->ListEach({.name_space = "jobs"},
                             [&](const Task& task) {
                               ids.push_back(task.id);
                               return true;
                             })
                  .ok());
  EXPECT_EQ(ids, (std::vector<std::string>{"x", "x1", "x3", "x4"}));
  ids.clear();
  ASSERT_TRUE(h.client
                  ->ListEach({.name_space = "jobs"},
                             [&](const Task& task) {
                               ids.push_back(task.id);
                               return false;
                             })
                  .ok());
  EXPECT_EQ(ids.size(), 1u);
}

TEST(Json, TextStaysWhatItWas) {
  for (const char* text : {R"({})", R"({"a":1,"b":[true,null,"x\u0001\"",{"c":-1.5}]})",
                           R"({"big":9007199254740992,"small":1e-07})", R"({"é":"\\"})"}) {
    google::protobuf::Struct data;
    ASSERT_TRUE(internal::JsonToStruct(text, &data).ok()) << text;
    EXPECT_EQ(internal::StructToJson(data), text);
  }
}

TEST(Durations, SurviveTheWire) {
  for (absl::Duration duration : {absl::ZeroDuration(), absl::Milliseconds(100), absl::Hours(24),
                                  -absl::Milliseconds(1500)}) {
    google::protobuf::Duration out;
    internal::ToProto(duration, &out);
    EXPECT_EQ(internal::FromProto(out), duration);
  }
  google::protobuf::Timestamp out;
  internal::ToProto(absl::FromUnixMillis(-1), &out);
  EXPECT_EQ(out.seconds(), -1);
  EXPECT_EQ(out.nanos(), 999000000);
}

}  // namespace
}  // namespace tracker::testing
