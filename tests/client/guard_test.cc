// The guard's promises, one story each.
#include "tracker/guard.h"

#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>

#include "tests/client/scripted_transport.h"

namespace tracker::testing {
namespace {

using Op = v1::Operation;

static_assert(!std::is_copy_constructible_v<TaskGuard>);
static_assert(!std::is_copy_assignable_v<TaskGuard>);
static_assert(std::is_nothrow_move_constructible_v<TaskGuard>);
static_assert(std::is_nothrow_move_assignable_v<TaskGuard>);
static_assert(std::is_nothrow_destructible_v<TaskGuard>);
// A closing call consumes the guard: it cannot be made on an lvalue.
template <typename Guard>
concept SucceedsAsItIs = requires(Guard guard) {
  guard.Succeed();
};
static_assert(!SucceedsAsItIs<TaskGuard&>);

TEST(Guard, StartMakesItsOwnLockEachTime) {
  Harness h;
  std::string first;
  {
    TaskGuard guard = h.Start();
    first = guard.lock();
    EXPECT_EQ(first.size(), 32u);
    EXPECT_EQ(first.find_first_not_of("0123456789abcdef"), std::string::npos);
    EXPECT_EQ(guard.fence(), 7);
    EXPECT_TRUE(guard.held());
    EXPECT_EQ(h.server->writes[0].start().lock(), first);
    EXPECT_FALSE(h.server->writes[0].start().worker().empty());
  }
  EXPECT_NE(h.Start().lock(), first);
}

TEST(Guard, RepeatedStartKeepsItsLock) {
  Harness h;
  h.server->FailNext({absl::UnavailableError("gone"), absl::UnavailableError("gone")});
  TaskGuard guard = h.Start();
  ASSERT_EQ(h.server->writes.size(), 3u);
  EXPECT_EQ(h.server->writes[0].start().lock(), h.server->writes[2].start().lock());
}

TEST(Guard, OnlyUnavailableIsRepeated) {
  for (const absl::Status& status :
       {absl::InternalError("x"), absl::DeadlineExceededError("x"), absl::AbortedError("x")}) {
    Harness h;
    h.server->FailNext({status});
    EXPECT_EQ(h.client->Start("jobs", "a").status().code(), status.code());
    EXPECT_EQ(h.server->writes.size(), 1u);
  }
}

TEST(Guard, RepeatsEndAtTheDeadline) {
  Harness h({.deadline = absl::Seconds(5)});
  h.server->FailNext(std::vector<absl::Status>(1000, absl::UnavailableError("gone")));
  const auto begin = h.clock.Now();
  EXPECT_TRUE(absl::IsUnavailable(h.client->Start("jobs", "a").status()));
  EXPECT_LE(h.clock.Now() - begin, absl::Seconds(5));
  EXPECT_GT(h.server->writes.size(), 2u);
}

TEST(Guard, UnfinishedOneFailsItsTask) {
  Harness h;
  { TaskGuard guard = h.Start(); }
  ASSERT_TRUE(h.last().has_fail());
  EXPECT_EQ(h.last().fail().message(), "the guard went out of scope");
}

// What the guard reports when this leaves its scope.
v1::FailRequest FailureBy(const std::function<void()>& work) {
  Harness h;
  try {
    TaskGuard guard = h.Start();
    work();
  } catch (...) {
  }
  return h.last().fail();
}

TEST(Guard, LeftByAnExceptionSaysSoAndNoMore) {
  const auto thrown = FailureBy([] { throw std::runtime_error("boom"); });
  EXPECT_EQ(thrown.message(), "the guard was left by an exception");
  EXPECT_EQ(thrown.traceback(), "");
  EXPECT_EQ(FailureBy([] { throw 7; }).message(), "the guard was left by an exception");
  EXPECT_FALSE(FailureBy([] { throw NonRetryableError("no customer"); }).no_retry())
      << "it cannot know which exception it is";
  EXPECT_FALSE(FailureBy([] { throw RetryAfterError(absl::Seconds(5), "x"); }).has_retry_delay());
}

TEST(Guard, ExceptionThatWasCaughtBeforeIsNotTheReason) {
  EXPECT_EQ(FailureBy([] {
              try {
                throw std::logic_error("handled");
              } catch (const std::exception&) {
              }
            }).message(),
            "the guard went out of scope");
}

TEST(Guard, LeftByAnExceptionWhileAnotherOneIsOnItsWay) {
  struct Cleanup {
    std::string* message;
    ~Cleanup() {
      *message = FailureBy([] { throw std::logic_error("of the cleanup"); }).message();
    }
  };
  std::string message;
  try {
    Cleanup cleanup{&message};
    throw std::runtime_error("of the others");
  } catch (const std::exception&) {
  }
  EXPECT_EQ(message, "the guard was left by an exception");
}

TEST(Guard, MadeAndLeftWhileAnExceptionIsOnItsWayIsNotMistaken) {
  Harness h;
  struct Cleanup {
    Harness& h;
    ~Cleanup() { TaskGuard guard = h.Start(); }
  };
  try {
    Cleanup cleanup{h};
    throw std::runtime_error("of the others");
  } catch (const std::exception&) {
  }
  EXPECT_EQ(h.last().fail().message(), "the guard went out of scope");
}

TEST(Guard, SucceedIsSentOnceWithDataAndLock) {
  Harness h;
  {
    TaskGuard guard = h.Start();
    EXPECT_TRUE(std::move(guard).Succeed(R"({"n": 3})").ok());
    EXPECT_FALSE(guard.open());
    EXPECT_EQ(guard.fence(), 7);
  }
  EXPECT_EQ(h.server->writes.size(), 2u);
  EXPECT_EQ(h.last().succeed().lock(), h.server->writes[0].start().lock());
  EXPECT_EQ(h.last().succeed().data().fields().at("n").number_value(), 3);
}

TEST(Guard, ReportWithoutAnswerIsRepeatedWithTheSameLock) {
  Harness h;
  TaskGuard guard = h.Start();
  h.server->FailNext({absl::UnavailableError("gone"), absl::DeadlineExceededError("slow"),
                      Refusal(absl::StatusCode::kResourceExhausted, "OVERLOADED")});
  EXPECT_TRUE(std::move(guard).Succeed().ok());
  EXPECT_EQ(h.server->Count(Op::kSucceed), 4);
  EXPECT_EQ(h.last().succeed().lock(), guard.lock());
}

TEST(Guard, ReportIsGivenUpWhenTheLeaseIsOver) {
  Harness h;
  const auto begin = h.clock.Now();
  {
    TaskGuard guard = h.Start();
    h.server->FailNext(std::vector<absl::Status>(1000, absl::UnavailableError("gone")));
    const absl::Status status = std::move(guard).Succeed();
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_TRUE(ReportFailed(status));
    EXPECT_LE(h.clock.Now() - begin, h.server->lease);
    EXPECT_GT(h.clock.Now() - begin, h.server->lease / 2);
  }
  EXPECT_EQ(h.server->Count(Op::kFail), 0) << "the work succeeded";
}

TEST(Guard, ReportIsTriedOnceEvenAfterTheLease) {
  Harness h;
  TaskGuard guard = h.Start();
  h.clock.Advance(h.server->lease * 2);
  EXPECT_TRUE(std::move(guard).Succeed().ok());  // nobody else had taken it
  EXPECT_EQ(h.server->Count(Op::kSucceed), 1);
}

TEST(Guard, HungServerLeavesTimeForAnotherReport) {
  Harness h;
  TaskGuard guard = h.Start();
  h.server->latency = absl::Hours(1);
  EXPECT_TRUE(absl::IsDeadlineExceeded(std::move(guard).Succeed()));
  EXPECT_GT(h.server->Count(Op::kSucceed), 2);
}

TEST(Guard, RefusedReportIsNotFollowedByAFailure) {
  for (const absl::Status& refusal :
       {LockLost(), absl::InternalError("x"), Refusal(absl::StatusCode::kPermissionDenied, "x"),
        Refusal(absl::StatusCode::kInvalidArgument, "INVALID_ARGUMENT")}) {
    Harness h;
    {
      TaskGuard guard = h.Start();
      h.server->FailNext({refusal});
      const absl::Status status = std::move(guard).Succeed();
      EXPECT_EQ(status.code(), refusal.code());
      EXPECT_TRUE(ReportFailed(status));
    }
    EXPECT_EQ(h.server->writes.size(), 2u) << refusal;
  }
}

TEST(Guard, BadDataIsNotSentAndLeavesTheGuardOpen) {
  Harness h;
  TaskGuard guard = h.Start();
  for (const char* bad : {"", "{", "[1]", "7", "null", "{\"a\":1}}", "{'a':1}", "{\"a\":NaN}",
                          "{\"a\":\"\xff\"}", "{\"n\":9007199254740993}"}) {
    const absl::Status status = std::move(guard).Succeed(bad);
    EXPECT_EQ(ReasonOf(status), Reason::kInvalidArgument) << bad;
    EXPECT_TRUE(guard.open());
  }
  std::string deep = "{\"a\":";
  for (int i = 0; i < 40; ++i) deep += "[";
  for (int i = 0; i < 40; ++i) deep += "]";
  EXPECT_TRUE(absl::IsInvalidArgument(std::move(guard).Succeed(deep + "}")));
  EXPECT_EQ(h.server->writes.size(), 1u);
  EXPECT_TRUE(std::move(guard).Succeed(R"({"a":"\"{[{["})").ok());
}

TEST(Guard, FailReportsAnyText) {
  Harness h;
  FailOptions options;
  options.traceback = std::string("a\0b", 3);
  options.no_retry = true;
  options.retry_delay = absl::Milliseconds(1500);
  options.data = R"({"half": true})";
  EXPECT_TRUE(std::move(h.Start()).Fail("caf\xe9 \xed\xa0\x80 ok", options).ok());
  const v1::FailRequest& fail = h.last().fail();
  EXPECT_EQ(fail.message(), "caf\uFFFD \uFFFD\uFFFD\uFFFD ok");
  EXPECT_EQ(fail.traceback(), "a\uFFFDb");
  EXPECT_TRUE(fail.no_retry());
  EXPECT_EQ(fail.retry_delay().seconds(), 1);
  EXPECT_EQ(fail.retry_delay().nanos(), 500000000);
  EXPECT_TRUE(fail.keep_data());
}

TEST(Guard, FailKeepsTheEndOfAHugeMessage) {
  Harness h;
  EXPECT_TRUE(std::move(h.Start()).Fail(std::string(10'000'000, 'x') + "end").ok());
  EXPECT_LE(h.last().ByteSizeLong(), 100'000u);
  EXPECT_TRUE(h.last().fail().message().ends_with("xend"));
}

TEST(Guard, ReleaseAndDetach) {
  Harness h;
  EXPECT_TRUE(std::move(h.Start()).Release(absl::Seconds(5)).ok());
  EXPECT_EQ(h.last().release().delay().seconds(), 5);
  const size_t before = h.server->writes.size();
  std::string lock;
  {
    TaskGuard guard = h.Start();
    lock = std::move(guard).Detach();
  }
  EXPECT_EQ(lock, h.last().start().lock());
  EXPECT_EQ(h.server->writes.size(), before + 1) << "no report";
  h.clock.Advance(absl::Seconds(8));
  h.core->keeper().RunOnce();
  EXPECT_TRUE(h.server->batches.empty()) << "no heartbeat";
}

TEST(Guard, MovingHandsTheLockOn) {
  Harness h;
  {
    TaskGuard first = h.Start();
    TaskGuard second = std::move(first);
    EXPECT_TRUE(absl::IsFailedPrecondition(std::move(first).Succeed()));
    EXPECT_EQ(first.fence(), 0);
    EXPECT_FALSE(first.held());
    EXPECT_TRUE(std::move(second).Succeed().ok());
    EXPECT_TRUE(absl::IsFailedPrecondition(std::move(second).Succeed()));
    TaskGuard third = h.Start();
    third = h.Start();  // what it held fails
    EXPECT_EQ(h.server->Count(Op::kFail), 1);
  }
  EXPECT_EQ(h.server->Count(Op::kSucceed), 1);
  EXPECT_EQ(h.server->Count(Op::kFail), 2);
}

TEST(Guard, OutlivesItsClient) {
  Harness h;
  TaskGuard guard = h.Start();
  h.client.reset();
  h.core.reset();
  EXPECT_TRUE(std::move(guard).Succeed().ok());
}

TEST(Guard, CheckpointSavesAndRenews) {
  Harness h;
  TaskGuard guard = h.Start();
  h.clock.Advance(absl::Seconds(7));
  EXPECT_TRUE(guard.Checkpoint(R"({"page":2})").ok());
  EXPECT_EQ(guard.data(), R"({"page":2})");
  EXPECT_EQ(h.last().heartbeat().data().fields().at("page").number_value(), 2);
  h.clock.Advance(absl::Seconds(7));
  EXPECT_TRUE(guard.held());
  EXPECT_TRUE(guard.Checkpoint().ok());
  EXPECT_FALSE(h.last().heartbeat().has_data()) << "it is saved already";
  EXPECT_TRUE(std::move(guard).Succeed().ok());
  EXPECT_FALSE(h.last().succeed().has_data());
}

TEST(Guard, SetDataIsSavedBySucceed) {
  Harness h;
  TaskGuard guard = h.Start();
  EXPECT_TRUE(guard.SetData(R"({"page":2})").ok());
  EXPECT_EQ(guard.data(), R"({"page":2})");
  EXPECT_EQ(h.server->writes.size(), 1u) << "nothing is sent yet";
  EXPECT_TRUE(absl::IsInvalidArgument(guard.SetData("[3]")));
  EXPECT_EQ(guard.data(), R"({"page":2})");
  EXPECT_TRUE(std::move(guard).Succeed().ok());
  EXPECT_EQ(h.last().succeed().data().fields().at("page").number_value(), 2);
}

TEST(Guard, SetDataIsNotSavedByAFailureAndYieldsToTheResult) {
  Harness h;
  {
    TaskGuard guard = h.Start();
    EXPECT_TRUE(guard.SetData(R"({"page":2})").ok());
  }
  EXPECT_FALSE(h.last().fail().has_data());
  EXPECT_FALSE(h.last().fail().keep_data());
  TaskGuard guard = h.Start();
  EXPECT_TRUE(guard.SetData(R"({"page":2})").ok());
  EXPECT_TRUE(std::move(guard).Succeed(R"({"page":3})").ok());
  EXPECT_EQ(h.last().succeed().data().fields().at("page").number_value(), 3);
}

TEST(Guard, CheckpointWithoutAnswerKeepsTheDataForTheNext) {
  Harness h({.deadline = absl::Seconds(1)});
  TaskGuard guard = h.Start();
  h.server->FailNext(std::vector<absl::Status>(20, absl::UnavailableError("gone")));
  EXPECT_TRUE(absl::IsUnavailable(guard.Checkpoint(R"({"page":2})")));
  h.server->FailNext({});
  while (absl::IsUnavailable(guard.Checkpoint())) continue;
  EXPECT_EQ(h.last().heartbeat().data().fields().at("page").number_value(), 2);
}

TEST(Guard, CheckpointThatFindsTheLockLostStopsTheToken) {
  Harness h;
  TaskGuard guard = h.Start();
  EXPECT_TRUE(guard.lost().ok());
  h.server->FailNext({LockLost()});
  EXPECT_EQ(ReasonOf(guard.Checkpoint("{}")), Reason::kLockLost);
  EXPECT_TRUE(guard.stop_token().stop_requested());
  EXPECT_EQ(ReasonOf(guard.lost()), Reason::kLockLost);
  EXPECT_FALSE(guard.held());
}

TEST(Guard, OnLostIsCalledOnceWithTheReason) {
  Harness h;
  TaskGuard guard = h.Start();
  std::vector<Reason> told;
  guard.OnLost([&](const absl::Status&) { FAIL() << "it was replaced"; });
  guard.OnLost([&](const absl::Status& why) { told.push_back(ReasonOf(why)); });
  h.server->FailNext({LockLost(), LockLost()});
  guard.Heartbeat().IgnoreError();
  guard.Heartbeat().IgnoreError();
  EXPECT_EQ(told, std::vector<Reason>{Reason::kLockLost});
  guard.OnLost([&](const absl::Status& why) { told.push_back(ReasonOf(why)); });
  EXPECT_EQ(told.size(), 2u) << "it is lost already: at once";
}

TEST(Guard, OnLostIsNotCalledAfterTheEnd) {
  Harness h;
  int told = 0;
  TaskGuard guard = h.Start();
  const std::stop_token token = guard.stop_token();
  guard.OnLost([&](const absl::Status&) { ++told; });
  EXPECT_TRUE(std::move(guard).Succeed().ok());
  h.clock.Advance(absl::Hours(1));
  h.core->keeper().RunOnce();
  guard.OnLost([&](const absl::Status&) { ++told; });
  EXPECT_EQ(told, 0);
}

TEST(Guard, StartThatWasGivenUpIsGivenBack) {
  Harness h({.deadline = absl::Seconds(2)});
  h.server->latency = absl::Seconds(5);
  EXPECT_TRUE(absl::IsDeadlineExceeded(h.client->Start("jobs", "a").status()));
  ASSERT_EQ(h.server->batches.size(), 1u);
  const v1::Operation& back = h.server->batches[0].operations(0);
  EXPECT_EQ(back.release().id(), "a");
  EXPECT_EQ(back.release().lock(), h.server->writes[0].start().lock());
  // What was refused needs none of this.
  h.server->latency = absl::ZeroDuration();
  h.server->FailNext({Refusal(absl::StatusCode::kAborted, "TASK_LOCKED")});
  EXPECT_FALSE(h.client->Start("jobs", "a").ok());
  EXPECT_EQ(h.server->batches.size(), 1u);
}

TEST(Guard, CancelledStartEndsAtOnce) {
  Harness h;
  std::stop_source cancel;
  h.server->answer = [&](const v1::Operation&) {
    cancel.request_stop();
    return absl::UnavailableError("gone");
  };
  const auto begin = h.clock.Now();
  EXPECT_TRUE(
      absl::IsCancelled(h.client->Start("jobs", "a", {.cancel = cancel.get_token()}).status()));
  EXPECT_EQ(h.server->writes.size(), 1u);
  EXPECT_LT(h.clock.Now() - begin, absl::Seconds(1));
}

TEST(Guard, DestructorIsBoundedByTheDeadline) {
  Harness h({.deadline = absl::Seconds(2)});
  h.server->lease = absl::Hours(1);
  const auto begin = h.clock.Now();
  {
    TaskGuard guard = h.Start();
    h.server->FailNext(std::vector<absl::Status>(1000, absl::UnavailableError("gone")));
  }
  EXPECT_LE(h.clock.Now() - begin, absl::Seconds(2));
}

TEST(Guard, DataThatWasLeftOutIsFetched) {
  Harness h;
  h.server->answer = [&](const v1::Operation&) {
    v1::Task task;
    task.set_fence(3);
    task.set_truncated(true);
    internal::ToProto(absl::Seconds(9), task.mutable_lease_remaining());
    return task;
  };
  h.server->get = [](const v1::GetRequest& request) {
    v1::Task task;
    EXPECT_EQ(request.id(), "");  // as the answer named it
    task.set_fence(3);
    (*task.mutable_data()->mutable_fields())["k"].set_string_value("v");
    task.add_errors()->set_message("before");
    return task;
  };
  TaskGuard guard = h.Start();
  EXPECT_EQ(guard.data(), R"({"k":"v"})");
  ASSERT_EQ(guard.task().errors.size(), 1u);
}

}  // namespace
}  // namespace tracker::testing
