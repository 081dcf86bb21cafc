// FakeTracker and time: what Advance does to leases, delays, guards and sleeping clients.
#include "tracker/testing/fake_tracker.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/client/fake_world.h"
#include "tracker/v1/tracker.grpc.pb.h"

namespace tracker::testing {
namespace {

namespace fs = std::filesystem;

class FakeTime : public FakeWorld {
 protected:
  void SetUp() override {
    FakeWorld::SetUp();
    ASSERT_FALSE(HasFatalFailure());
    other_ = fake_->Connect({.lease = kLease});
  }

  std::shared_ptr<Client> other_;
};

TEST_F(FakeTime, ALeaseThatIsOverHasEndedAndItsGuardKnows) {
  auto guard = Start(*client_);
  ASSERT_TRUE(guard.ok()) << guard.status();
  bool told = false;
  const std::stop_callback callback(guard->stop_token(), [&told] { told = true; });
  fake_->Advance(kLease);
  EXPECT_TRUE(told);
  EXPECT_TRUE(guard->stop_token().stop_requested());
  EXPECT_FALSE(guard->held());
  EXPECT_EQ(Get().status, TaskStatus::kFailed);
  ASSERT_EQ(Get().errors.size(), 1u);
  EXPECT_EQ(Get().errors[0].kind, ErrorKind::kLeaseExpired);
  EXPECT_NEAR(absl::ToDoubleSeconds(Get().errors[0].time - *Get().lock_time), 30, 5);
}

TEST_F(FakeTime, OfManyLeasesAllHaveEnded) {
  constexpr int kTasks = 600;  // more than one step of the reaper ends
  std::vector<NewTask> tasks;
  for (int i = 0; i < kTasks; ++i) tasks.push_back({"jobs", std::to_string(i), "", 0, {}, 1});
  for (const auto& task : client_->CreateAll(tasks)) ASSERT_TRUE(task.ok()) << task.status();
  std::vector<TaskGuard> guards;
  for (const NewTask& task : tasks) {
    auto guard = client_->Start("jobs", task.id, {.lease = absl::Hours(1)});
    ASSERT_TRUE(guard.ok()) << guard.status();
    guards.push_back(*std::move(guard));
  }
  fake_->Advance(absl::Hours(1));
  const auto counts = client_->Count("jobs");
  ASSERT_TRUE(counts.ok());
  ASSERT_EQ(counts->size(), 1u);
  EXPECT_EQ((*counts)[0].status, TaskStatus::kExhausted);
  EXPECT_EQ((*counts)[0].count, kTasks);
  for (const TaskGuard& guard : guards) EXPECT_TRUE(guard.stop_token().stop_requested());
  fake_.reset();  // so that the guards end without a call
}

TEST_F(FakeTime, CountGoesOverAllPages) {
  constexpr int kNamespaces = 1100;
  std::vector<NewTask> tasks;
  tasks.reserve(kNamespaces);
  for (int i = 0; i < kNamespaces; ++i) tasks.push_back({"n" + std::to_string(i), "a"});
  for (const auto& created : client_->CreateAll(tasks)) ASSERT_TRUE(created.ok());
  const auto counts = client_->Count();
  ASSERT_TRUE(counts.ok()) << counts.status();
  EXPECT_EQ(counts->size(), static_cast<size_t>(kNamespaces));
}

TEST_F(FakeTime, HeartbeatsCarryALockThroughSmallSteps) {
  auto guard = Start(*client_);
  ASSERT_TRUE(guard.ok());
  for (int i = 0; i < 20; ++i) {
    fake_->Advance(kLease / 3);
    ASSERT_TRUE(guard->held()) << i;
    ASSERT_EQ(ReasonOf(Start(*other_).status()), Reason::kTaskLocked) << i;
  }
  EXPECT_TRUE(std::move(*guard).Succeed().ok());
  EXPECT_EQ(Get().attempts, 1);
  EXPECT_TRUE(Get().errors.empty());
}

TEST_F(FakeTime, LateSucceedAfterTakeoverIsRefused) {
  auto late = Start(*client_);
  ASSERT_TRUE(late.ok());
  EXPECT_EQ(ReasonOf(Start(*other_).status()), Reason::kTaskLocked);
  fake_->Advance(kLease);
  auto taker = Start(*other_);
  ASSERT_TRUE(taker.ok()) << taker.status();
  EXPECT_EQ(taker->fence(), late->fence() + 1);
  const absl::Status refused = std::move(*late).Succeed();
  EXPECT_TRUE(ReportFailed(refused));
  EXPECT_EQ(ReasonOf(refused), Reason::kLockLost);
  EXPECT_TRUE(std::move(*taker).Succeed().ok());
  EXPECT_EQ(Get().attempts, 2);
}

TEST_F(FakeTime, AStolenLockIsKnownAfterTheNextHeartbeat) {
  auto robbed = Start(*client_);
  ASSERT_TRUE(robbed.ok());
  auto thief = other_->Start("jobs", "a", {.ignore_lock = true});
  ASSERT_TRUE(thief.ok());
  EXPECT_FALSE(robbed->stop_token().stop_requested());
  fake_->Advance(kLease / 3);
  EXPECT_TRUE(robbed->stop_token().stop_requested());
  EXPECT_TRUE(thief->held());
}

TEST_F(FakeTime, DelaysOfFailAndReleasePass) {
  auto guard = Start(*client_);
  ASSERT_TRUE(guard.ok());
  ASSERT_TRUE(std::move(*guard).Fail("no luck", {.retry_delay = absl::Hours(6)}).ok());
  fake_->Advance(absl::Hours(5));
  const absl::Status early = Start(*client_).status();
  EXPECT_EQ(ReasonOf(early), Reason::kTaskNotAvailable);
  EXPECT_LE(RetryAfterOf(early).value_or(absl::InfiniteDuration()), absl::Hours(1));
  fake_->Advance(absl::Hours(1));
  guard = Start(*client_);
  ASSERT_TRUE(guard.ok()) << guard.status();
  ASSERT_TRUE(std::move(*guard).Release(absl::Hours(1)).ok());
  EXPECT_EQ(ReasonOf(Start(*client_).status()), Reason::kTaskNotAvailable);
  fake_->Advance(absl::Hours(1));
  guard = Start(*client_);
  ASSERT_TRUE(guard.ok()) << guard.status();
  EXPECT_EQ(guard->task().attempts, 2);
  EXPECT_TRUE(std::move(*guard).Succeed().ok());
}

TEST_F(FakeTime, NowIsTheServersAndNeverGoesBack) {
  const absl::Time before = fake_->Now();
  fake_->Advance(absl::Hours(48));
  EXPECT_GE(fake_->Now(), before + absl::Hours(48));
  fake_->Advance(-absl::Hours(48));
  EXPECT_GE(fake_->Now(), before + absl::Hours(48));
  const auto task = client_->Create({"jobs", "a"});
  ASSERT_TRUE(task.ok());
  EXPECT_GE(task->create_time, before + absl::Hours(48));
  EXPECT_LE(task->create_time, fake_->Now());
}

TEST_F(FakeTime, AShortLeaseIsKeptWhileRealTimePasses) {
  // Nothing but real time can show that the background looks after it by itself.
  auto guard =
      client_->Start("jobs", "a", {.lease = absl::Milliseconds(300), .create_if_missing = true});
  ASSERT_TRUE(guard.ok());
  const absl::Time end = absl::Now() + absl::Milliseconds(900);
  while (absl::Now() < end) absl::SleepFor(absl::Milliseconds(10));
  EXPECT_TRUE(guard->held());
  EXPECT_TRUE(std::move(*guard).Succeed().ok());
}

TEST_F(FakeTime, APauseBetweenRepeatsEndsByAdvance) {
  const auto patient = fake_->Connect({.deadline = absl::Hours(1)});
  fake_->SetReachable(false);
  auto answer = std::async(std::launch::async, [&] { return patient->Count().status(); });
  while (answer.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready)
    fake_->Advance(absl::Hours(1));
  EXPECT_TRUE(absl::IsUnavailable(answer.get()));
}

TEST_F(FakeTime, TwoFakesAreTwoWorlds) {
  auto second = FakeTracker::Start();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_NE((*second)->address(), fake_->address());
  const auto client = (*second)->Connect();
  auto here = Start(*client_);
  auto there = Start(*client);
  ASSERT_TRUE(here.ok());
  ASSERT_TRUE(there.ok()) << there.status();
  fake_->Advance(absl::Hours(1));
  (*second)->FailNext(1, absl::PermissionDeniedError("no"));
  EXPECT_FALSE(here->held());
  EXPECT_TRUE(there->held());
  EXPECT_EQ(Get().status, TaskStatus::kFailed);
  EXPECT_TRUE(absl::IsPermissionDenied(client->Get("jobs", "a").status()));
  EXPECT_TRUE(std::move(*there).Succeed().ok());
}

TEST_F(FakeTime, AnyClientReachesItByItsAddress) {
  ASSERT_TRUE(Start(*client_).ok());  // and failed at once, as nobody holds it
  const auto stub = v1::TrackerService::NewStub(
      grpc::CreateChannel(fake_->address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::GetRequest request;
  request.set_namespace_("jobs");
  request.set_id("a");
  v1::GetResponse response;
  const grpc::Status status = stub->Get(&context, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.task().status(), v1::STATUS_FAILED);

  fake_->SetReachable(false);  // for Connect's clients only
  auto guard = Client::Connect(fake_->address())->Start("jobs", "a");
  ASSERT_TRUE(guard.ok()) << guard.status();
  EXPECT_TRUE(std::move(*guard).Succeed().ok());
}

TEST_F(FakeTime, WhatOutlivesItEndsAtOnce) {
  auto guard = Start(*client_);
  ASSERT_TRUE(guard.ok());
  fake_.reset();
  EXPECT_EQ(client_->Count().status().code(), absl::StatusCode::kFailedPrecondition);
  const auto begin = std::chrono::steady_clock::now();
  { const TaskGuard dropped = *std::move(guard); }
  client_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST_F(FakeTime, AdvanceWhileWorkersWorkLosesNothing) {
  constexpr int kTasks = 20;
  // Fast enough for leases to be lost, and with an end, so that the work comes to one.
  std::thread time([this] {
    for (int i = 0; i < 100; ++i) fake_->Advance(absl::Seconds(7));
  });
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back([&, client = i % 2 == 0 ? client_ : other_] {
      for (int n = 0; n < kTasks; ++n) {
        const std::string id = std::to_string(n);
        for (;;) {
          auto guard = client->Start("jobs", id, {.create_if_missing = true});
          if (ReasonOf(guard.status()) == Reason::kTaskSucceeded) break;
          if (ReasonOf(guard.status()) == Reason::kTaskExhausted) {
            client->Reset("jobs", id).IgnoreError();
          } else if (guard.ok() && std::move(*guard).Succeed().ok()) {
            break;
          }
        }
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  time.join();
  const auto counts = client_->Count("jobs");
  ASSERT_TRUE(counts.ok()) << counts.status();
  ASSERT_EQ(counts->size(), 1u);
  EXPECT_EQ((*counts)[0].status, TaskStatus::kSucceeded);
  EXPECT_EQ((*counts)[0].count, kTasks);
}

// A folder of this test's own for temporary files.
class PrivateTmpdir {
 public:
  PrivateTmpdir() {
    if (const char* before = getenv("TMPDIR")) before_ = before;
    std::string name = (fs::temp_directory_path() / "fake_tracker_test.XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
    setenv("TMPDIR", name.c_str(), 1);
  }
  ~PrivateTmpdir() {
    before_ ? setenv("TMPDIR", before_->c_str(), 1) : unsetenv("TMPDIR");
    fs::remove_all(path_);
  }
  PrivateTmpdir(const PrivateTmpdir&) = delete;
  PrivateTmpdir& operator=(const PrivateTmpdir&) = delete;
  const fs::path& path() const { return path_; }

 private:
  std::optional<std::string> before_;
  fs::path path_;
};

TEST(FakeTrackerFiles, GoWithIt) {
  const PrivateTmpdir tmpdir;
  auto fake = FakeTracker::Start();
  ASSERT_TRUE(fake.ok()) << fake.status();
  EXPECT_FALSE(fs::is_empty(tmpdir.path()));
  fake->reset();
  EXPECT_TRUE(fs::is_empty(tmpdir.path()));
}

TEST(FakeTrackerFiles, NeedAFolder) {
  const PrivateTmpdir tmpdir;
  fs::remove(tmpdir.path());
  EXPECT_EQ(FakeTracker::Start().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(FakeTrackerDeathTest, KillTakesOnlyItsOwnClients) {
  const PrivateTmpdir tmpdir;  // the process that dies leaves its files
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        auto fake = FakeTracker::Start().value();
        fake->Kill(*Client::Connect(fake->address()));
      },
      "FakeTracker::Kill: .*not made by Connect");
}

}  // namespace
}  // namespace tracker::testing
