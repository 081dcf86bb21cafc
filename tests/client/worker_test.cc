// The worker: which tasks it tries, and how it stops.
#include "tracker/worker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <map>
#include <stdexcept>

#include "tests/client/scripted_transport.h"

namespace tracker::testing {
namespace {

using Op = v1::Operation;
using Ids = std::vector<std::string>;

// A client of its own for each worker.
struct WorkerHarness {
  FakeClock clock;
  std::shared_ptr<ScriptedTransport> server = std::make_shared<ScriptedTransport>(&clock);
  std::shared_ptr<Client> client;
  std::vector<std::string> log;

  WorkerHarness() {
    ClientOptions options;
    options.logger = [this](LogLevel level, const std::string& line) {
      if (level == LogLevel::kWarning) log.push_back(line);
    };
    client = std::make_shared<Client>(
        std::make_shared<internal::ClientCore>(server, options, &clock, false));
    server->answer = [this](const v1::Operation& operation) { return Answer(operation); };
  }
  // As a server would that knows only what is refused.
  absl::StatusOr<v1::Task> Answer(const v1::Operation& operation) {
    if (operation.has_start()) {
      if (const auto refused = refusals.find(operation.start().id()); refused != refusals.end())
        return refused->second;
    }
    v1::Task task;
    task.set_namespace_("jobs");
    task.set_id(operation.start().id());
    task.set_status(v1::STATUS_IN_PROGRESS);
    internal::ToProto(absl::Minutes(10), task.mutable_lease_remaining());
    return task;
  }
  std::map<std::string, absl::Status> refusals;
  // Moves the clock on until it is done.
  template <typename T>
  T Await(std::future<T> done) {
    while (done.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready)
      clock.Advance(absl::Milliseconds(100));
    return done.get();
  }
  template <typename Fn>
  auto Async(Fn fn) {
    return std::async(std::launch::async, std::move(fn));
  }
};

WorkerOptions Once(Ids ids) {
  return {.name_space = "jobs", .ids = [ids] { return ids; }, .once = true};
}

absl::Status Refused(const char* reason) {
  return Refusal(absl::StatusCode::kFailedPrecondition, reason);
}

TEST(Worker, WorksThroughTheIdsAndPassesOverWhatIsNotToBeHad) {
  WorkerHarness h;
  h.refusals = {{"b", Refused("TASK_LOCKED")},
                {"c", Refused("TASK_SUCCEEDED")},
                {"d", Refused("TASK_NOT_AVAILABLE")},
                {"e", Refused("TASK_EXHAUSTED")},
                {"f", Refused("TASK_NOT_FOUND")}};
  std::vector<std::string> done;
  Worker worker(h.client, Once({"a", "b", "c", "d", "e", "f", "g"}),
                [&](TaskGuard& task) { done.push_back(task.task().id); });
  EXPECT_TRUE(worker.Run().ok());
  EXPECT_EQ(done, (Ids{"a", "g"}));
  EXPECT_EQ(worker.stats().started, 2);
  EXPECT_EQ(worker.stats().succeeded, 2);
  EXPECT_TRUE(h.log.empty()) << h.log[0];
}

TEST(Worker, FailureEndsTheAttemptAndNotTheWorker) {
  WorkerHarness h;
  Worker worker(h.client, Once({"a", "b", "c", "d"}), [](TaskGuard& task) -> absl::Status {
    const std::string id = task.task().id;
    if (id == "a") throw std::runtime_error("boom");
    if (id == "b") return absl::DataLossError("page 3");
    if (id == "c") return std::move(task).Release();
    return absl::OkStatus();
  });
  EXPECT_TRUE(worker.Run().ok());
  EXPECT_EQ(h.server->Count(Op::kFail), 2);
  EXPECT_EQ(h.server->Count(Op::kRelease), 1);
  const WorkerStats stats = worker.stats();
  EXPECT_EQ(stats.started, 4);
  EXPECT_EQ(stats.succeeded, 1);
  EXPECT_EQ(stats.ended, 3);
  EXPECT_EQ(stats.unreported, 0);
}

TEST(Worker, ReportThatWasNotTakenIsCounted) {
  WorkerHarness h;
  h.server->answer = [&](const v1::Operation& operation) -> absl::StatusOr<v1::Task> {
    if (operation.has_succeed()) return LockLost();
    return h.Answer(operation);
  };
  Worker worker(h.client, Once({"a"}), [](TaskGuard&) {});
  EXPECT_TRUE(worker.Run().ok());
  EXPECT_EQ(worker.stats().unreported, 1);
  EXPECT_EQ(worker.stats().succeeded, 0);
}

TEST(Worker, SeveralAtOnce) {
  WorkerHarness h;
  WorkerOptions options = Once({"a", "b", "c", "d"});
  options.concurrency = 4;
  std::latch all(4);
  Worker worker(h.client, options, [&](TaskGuard&) { all.arrive_and_wait(); });
  EXPECT_TRUE(worker.Run().ok());
  EXPECT_EQ(worker.stats().succeeded, 4);
}

TEST(Worker, AsksAgainAndPausesWhereNothingCouldBeStarted) {
  WorkerHarness h;
  std::vector<absl::Time> asked;
  WorkerOptions options{.name_space = "jobs", .poll_interval = absl::Seconds(10)};
  Worker* self = nullptr;
  options.ids = [&]() -> Ids {
    asked.push_back(h.clock.Now());
    if (asked.size() == 6) self->RequestStop();
    return asked.size() == 3 ? Ids{"a"} : Ids{};
  };
  Worker worker(h.client, options, [](TaskGuard&) {});
  self = &worker;
  EXPECT_TRUE(h.Await(h.Async([&] { return worker.Run(); })).ok());
  ASSERT_EQ(asked.size(), 6u);
  for (size_t i = 1; i < asked.size(); ++i) {
    if (i == 3) {
      EXPECT_LT(asked[i] - asked[i - 1], absl::Seconds(5)) << "one was started: on at once";
    } else {
      EXPECT_GE(asked[i] - asked[i - 1], absl::Seconds(7.5)) << i;
      EXPECT_LE(asked[i] - asked[i - 1], absl::Seconds(20)) << i;
    }
  }
}

TEST(Worker, ErrorOfTheIdsIsLoggedAndTheyAreAskedAgain) {
  WorkerHarness h;
  int asked = 0;
  WorkerOptions options{.name_space = "jobs"};
  Worker* self = nullptr;
  options.ids = [&]() -> absl::StatusOr<Ids> {
    if (++asked == 1) return absl::InternalError("no database");
    if (asked == 2) throw std::runtime_error("no database either");
    if (asked == 3) throw 7;
    self->RequestStop();
    return Ids{"a"};
  };
  Worker worker(h.client, options, [](TaskGuard&) {});
  self = &worker;
  EXPECT_TRUE(h.Await(h.Async([&] { return worker.Run(); })).ok());
  EXPECT_EQ(asked, 4);
  ASSERT_EQ(h.log.size(), 3u);
  EXPECT_EQ(h.log[0], "worker namespace=jobs error=\"INTERNAL: no database\"");
  EXPECT_NE(h.log[1].find("threw std::runtime_error: no database either"), std::string::npos);
  EXPECT_NE(h.log[2].find("threw int"), std::string::npos);
}

TEST(Worker, ServerThatIsAwayIsTriedAgain) {
  WorkerHarness h;
  h.refusals = {{"a", absl::UnavailableError("gone")}};
  int asked = 0;
  WorkerOptions options{.name_space = "jobs"};
  Worker* self = nullptr;
  options.ids = [&]() -> Ids {
    if (++asked == 3) {
      std::lock_guard lock(h.server->mutex());
      h.refusals.clear();
    }
    if (asked == 4) self->RequestStop();
    return {"a"};
  };
  Worker worker(h.client, options, [](TaskGuard&) {});
  self = &worker;
  EXPECT_TRUE(h.Await(h.Async([&] { return worker.Run(); })).ok());
  EXPECT_EQ(worker.stats().succeeded, 1);
}

TEST(Worker, WhatCannotBeMendedEndsIt) {
  for (const absl::Status& status :
       {absl::PermissionDeniedError("no"), absl::UnauthenticatedError("who")}) {
    WorkerHarness h;
    h.refusals = {{"a", status}};
    WorkerOptions options = Once({"a", "b"});
    options.once = false;
    Worker worker(h.client, options, [](TaskGuard&) {});
    EXPECT_EQ(worker.Run().code(), status.code());
    EXPECT_EQ(worker.stats().started, 0);
  }
}

TEST(Worker, OnceTellsOfTheFirstError) {
  WorkerHarness h;
  h.refusals = {{"a", Refusal(absl::StatusCode::kInvalidArgument, "INVALID_ARGUMENT")}};
  Worker worker(h.client, Once({"a", "b"}), [](TaskGuard&) {});
  EXPECT_TRUE(absl::IsInvalidArgument(h.Await(h.Async([&] { return worker.Run(); }))));
  EXPECT_EQ(worker.stats().succeeded, 1) << "the others are done all the same";
}

TEST(Worker, ClaimsWhereNoIdsAreGiven) {
  WorkerHarness h;
  Worker* self = nullptr;
  h.server->claim = [&](const v1::ClaimRequest& request) {
    v1::ClaimResponse response;
    if (h.server->claims.size() == 2) {
      v1::Task* task = response.add_tasks();
      task->set_namespace_(request.namespace_());
      task->set_id("claimed");
      task->set_lock(request.lock());
      internal::ToProto(absl::Minutes(10), task->mutable_lease_remaining());
    }
    if (h.server->claims.size() == 3) self->RequestStop();
    return response;
  };
  std::vector<std::string> done;
  Worker worker(h.client, {.name_space = "jobs", .lease = absl::Minutes(10), .after = {"extract"}},
                [&](TaskGuard& task) { done.push_back(task.task().id); });
  self = &worker;
  EXPECT_TRUE(worker.Run().ok());
  EXPECT_EQ(done, Ids{"claimed"});
  const v1::ClaimRequest& claim = h.server->claims[0];
  EXPECT_EQ(claim.namespace_(), "jobs");
  EXPECT_EQ(claim.limit(), 1);
  EXPECT_EQ(claim.wait().seconds(), 30);
  EXPECT_EQ(claim.lease().seconds(), 600);
  EXPECT_EQ(claim.after(0), "extract");
  EXPECT_EQ(claim.lock().size(), 32u);
  EXPECT_NE(claim.lock(), h.server->claims[1].lock());
  EXPECT_EQ(h.server->writes.back().succeed().lock(), h.server->claims[1].lock());
}

TEST(Worker, PausedNamespaceIsAskedForNowAndThen) {
  WorkerHarness h;
  Worker* self = nullptr;
  std::vector<internal::MonotonicTime> asked;
  h.server->claim = [&](const v1::ClaimRequest&) {
    asked.push_back(h.clock.Now());
    if (asked.size() == 4) self->RequestStop();
    return Refused("NAMESPACE_PAUSED");
  };
  Worker worker(h.client, {.name_space = "jobs", .poll_interval = absl::Seconds(10)},
                [](TaskGuard&) {});
  self = &worker;
  EXPECT_TRUE(h.Await(h.Async([&] { return worker.Run(); })).ok());
  ASSERT_EQ(asked.size(), 4u);
  for (size_t i = 1; i < asked.size(); ++i) EXPECT_GE(asked[i] - asked[i - 1], absl::Seconds(7));
  EXPECT_TRUE(h.log.empty()) << "an operator wants it so";
}

TEST(Worker, PausedNamespaceIsNotTriedIdByIdWithoutAPause) {
  WorkerHarness h;
  for (const char* id : {"a", "b", "c"}) h.refusals.emplace(id, Refused("NAMESPACE_PAUSED"));
  const internal::MonotonicTime begin = h.clock.Now();
  Worker* self = nullptr;
  int rounds = 0;
  Worker worker(h.client,
                {.name_space = "jobs",
                 .ids =
                     [&] {
                       if (++rounds == 2) self->RequestStop();
                       return Ids{"a", "b", "c"};
                     },
                 .poll_interval = absl::Seconds(10)},
                [](TaskGuard&) {});
  self = &worker;
  EXPECT_TRUE(h.Await(h.Async([&] { return worker.Run(); })).ok());
  EXPECT_GE(h.clock.Now() - begin, absl::Seconds(3 * 7));
}

TEST(Worker, TaskThatIsNotReadyIsPassedOver) {
  WorkerHarness h;
  h.refusals = {{"a", Refused("TASK_NOT_READY")}};
  WorkerOptions options = Once({"a", "b"});
  options.after = {"extract", "transform"};
  std::vector<std::string> done;
  Worker worker(h.client, options, [&](TaskGuard& task) { done.push_back(task.task().id); });
  EXPECT_TRUE(worker.Run().ok());
  EXPECT_EQ(done, Ids{"b"});
  EXPECT_TRUE(h.log.empty());
  const v1::StartRequest& start = h.server->writes.front().start();
  EXPECT_EQ(Ids(start.after().begin(), start.after().end()), options.after);
}

TEST(Worker, ServerWithoutClaimEndsItAndSaysSo) {
  WorkerHarness h;
  h.server->claim = [](const v1::ClaimRequest&) {
    return absl::UnimplementedError("Claim is not served yet");
  };
  Worker worker(h.client, {.name_space = "jobs"}, [](TaskGuard&) {});
  EXPECT_TRUE(absl::IsUnimplemented(worker.Run()));
}

TEST(Worker, WrongOptionsAreNamed) {
  WorkerHarness h;
  const auto refused = [&](WorkerOptions options, const char* field) {
    Worker worker(h.client, std::move(options), [](TaskGuard&) {});
    const absl::Status status = worker.Run();
    EXPECT_EQ(ReasonOf(status), Reason::kInvalidArgument) << status;
    EXPECT_EQ(status.message().find(field), 0u) << status;
  };
  refused({.name_space = ""}, "name_space:");
  refused({.name_space = "jobs", .concurrency = 0}, "concurrency:");
  refused({.name_space = "jobs", .concurrency = 1001}, "concurrency:");
  refused({.name_space = "jobs", .once = true}, "once:");
  refused({.name_space = "jobs", .poll_interval = absl::ZeroDuration()}, "poll_interval:");
}

TEST(Worker, StartsOnce) {
  WorkerHarness h;
  Worker worker(h.client, Once({}), [](TaskGuard&) {});
  EXPECT_TRUE(worker.Start().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(worker.Start()));
  EXPECT_TRUE(worker.Stop().ok());
  EXPECT_TRUE(worker.Stop().ok());
}

TEST(Worker, StopLetsHandlersFinish) {
  WorkerHarness h;
  std::latch begun(2), told(2);
  std::promise<void> finish;
  std::shared_future<void> finished = finish.get_future().share();
  WorkerOptions options = Once({"a", "b", "never"});
  options.concurrency = 2;
  const auto handler = [&](TaskGuard& task, std::stop_token stopping) -> absl::Status {
    const std::stop_callback on_stop(stopping, [&told] { told.count_down(); });
    begun.count_down();
    finished.wait();
    EXPECT_FALSE(task.stop_token().stop_requested()) << "the lock is held all the same";
    return absl::OkStatus();
  };
  Worker worker(h.client, options, handler);
  ASSERT_TRUE(worker.Start().ok());
  begun.wait();
  auto stopped = h.Async([&] { return worker.Stop(); });
  told.wait();
  EXPECT_EQ(stopped.wait_for(std::chrono::milliseconds(5)), std::future_status::timeout);
  finish.set_value();
  EXPECT_TRUE(stopped.get().ok());
  EXPECT_EQ(worker.stats().succeeded, 2);
  EXPECT_EQ(worker.stats().started, 2) << "no further one is begun";
}

TEST(Worker, HandlerLearnsOfTheStopAndMayGiveItsTaskBack) {
  WorkerHarness h;
  std::latch begun(1);
  Worker worker(h.client, Once({"a"}),
                [&](TaskGuard& task, std::stop_token stopping) -> absl::Status {
                  begun.count_down();
                  while (!stopping.stop_requested()) std::this_thread::yield();
                  return std::move(task).Release();
                });
  ASSERT_TRUE(worker.Start().ok());
  begun.wait();
  EXPECT_TRUE(worker.Stop().ok());
  EXPECT_EQ(h.server->Count(Op::kRelease), 1);
  EXPECT_EQ(worker.stats().ended, 1);
}

TEST(Worker, StopGivesBackWhatRunsOn) {
  WorkerHarness h;
  std::latch begun(2), lost(2);
  std::promise<void> finish;
  std::shared_future<void> finished = finish.get_future().share();
  WorkerOptions options = Once({"a", "b"});
  options.concurrency = 2;
  options.stop_timeout = absl::Seconds(10);
  Worker worker(h.client, options, [&](TaskGuard& task) {
    begun.count_down();
    while (!task.stop_token().stop_requested()) std::this_thread::yield();
    EXPECT_TRUE(absl::IsCancelled(task.lost())) << task.lost();
    lost.count_down();
    finished.wait();
  });
  ASSERT_TRUE(worker.Start().ok());
  begun.wait();
  const absl::Time begin = h.clock.Now();
  const absl::Status stopped = h.Await(h.Async([&] { return worker.Stop(); }));
  EXPECT_TRUE(absl::IsDeadlineExceeded(stopped)) << stopped;
  EXPECT_GE(h.clock.Now() - begin, absl::Seconds(10));
  lost.wait();
  ASSERT_EQ(h.server->batches.size(), 1u);
  ASSERT_EQ(h.server->batches[0].operations_size(), 2);
  std::vector<std::string> given_back, started;
  for (const auto& operation : h.server->batches[0].operations())
    given_back.push_back(operation.release().lock());
  for (const auto& write : h.server->writes) started.push_back(write.start().lock());
  std::sort(given_back.begin(), given_back.end());
  std::sort(started.begin(), started.end());
  EXPECT_EQ(given_back, started);
  finish.set_value();
  EXPECT_TRUE(h.Await(h.Async([&] { return worker.Stop(); })).ok());
}

TEST(Worker, HandlerThatWaitsForItselfIsToldSo) {
  WorkerHarness h;
  Worker* self = nullptr;
  Worker worker(h.client, Once({"a"}), [&](TaskGuard&) { return self->Stop(); });
  self = &worker;
  EXPECT_TRUE(worker.Run().ok());
  EXPECT_EQ(h.server->writes.back().fail().message(),
            "FAILED_PRECONDITION: a handler cannot wait for itself: use RequestStop");
}

TEST(Worker, StopDuringAStartGivesTheTaskBack) {
  WorkerHarness h;
  Worker* self = nullptr;
  h.server->answer = [&](const v1::Operation& operation) -> absl::StatusOr<v1::Task> {
    self->RequestStop();
    if (operation.has_start()) return absl::CancelledError("");
    return h.Answer(operation);
  };
  Worker worker(h.client, Once({"a", "b"}), [](TaskGuard&) {});
  self = &worker;
  EXPECT_TRUE(worker.Run().ok());
  EXPECT_EQ(worker.stats().started, 0);
  ASSERT_EQ(h.server->batches.size(), 1u);
  EXPECT_TRUE(h.server->batches[0].operations(0).has_release());
}

}  // namespace
}  // namespace tracker::testing
