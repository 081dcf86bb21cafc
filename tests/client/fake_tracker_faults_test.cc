// FakeTracker's faults: refused calls, lost answers, a server that is away, a worker that is
// killed.
#include <gtest/gtest.h>

#include <future>

#include "tests/client/fake_world.h"

namespace tracker::testing {
namespace {

class FakeFaults : public FakeWorld {
 protected:
  void SetUp() override {
    FakeWorld::SetUp();
    ASSERT_FALSE(HasFatalFailure());
    // Repeats nothing.
    once_ = fake_->Connect({.deadline = absl::ZeroDuration(), .lease = kLease});
  }
  absl::StatusOr<TaskGuard> Start() { return FakeWorld::Start(*client_); }

  std::shared_ptr<Client> once_;
};

TEST_F(FakeFaults, AFailedCallHasNoEffect) {
  const NewTask batch[] = {{"jobs", "a"}};
  fake_->FailNext(2, absl::PermissionDeniedError("not you"));
  EXPECT_TRUE(absl::IsPermissionDenied(client_->Create({"jobs", "a"}).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(client_->CreateAll(batch)[0].status()));
  EXPECT_EQ(ReasonOf(client_->Get("jobs", "a").status()), Reason::kTaskNotFound);
}

TEST_F(FakeFaults, TheClientRepeatsWhatIsUnavailable) {
  fake_->FailNext(2, absl::UnavailableError("restarting"));
  EXPECT_TRUE(client_->Create({"jobs", "a"}).ok());
  fake_->FailNext(1, absl::UnavailableError("restarting"));
  EXPECT_TRUE(absl::IsUnavailable(once_->Create({"jobs", "b"}).status()));
  EXPECT_TRUE(once_->Create({"jobs", "b"}).ok());
}

TEST_F(FakeFaults, FaultsAreUsedUpInOrderAndOnlyRealOnesCount) {
  fake_->FailNext(0, absl::InternalError("never"));
  fake_->FailNext(-1, absl::InternalError("never"));
  fake_->FailNext(1, absl::OkStatus());
  fake_->LoseNextAnswers(0);
  fake_->FailNext(1, absl::InternalError("first"));
  fake_->LoseNextAnswers(1);
  fake_->FailNext(1, absl::DataLossError("third"));
  EXPECT_TRUE(absl::IsInternal(once_->Count().status()));
  EXPECT_TRUE(absl::IsUnavailable(once_->Count().status()));
  EXPECT_TRUE(absl::IsDataLoss(once_->List({.name_space = "jobs"}).status()));
  EXPECT_TRUE(once_->Count().ok());
}

TEST_F(FakeFaults, HeartbeatsInTheBackgroundUseUpNoFault) {
  auto guard = Start();
  ASSERT_TRUE(guard.ok());
  fake_->FailNext(1, absl::InternalError("for the next call"));
  for (int i = 0; i < 6; ++i) fake_->Advance(kLease / 3);
  EXPECT_TRUE(guard->held());
  EXPECT_TRUE(absl::IsInternal(guard->Heartbeat()));
  EXPECT_TRUE(std::move(*guard).Succeed().ok());
}

TEST_F(FakeFaults, AStartWhoseAnswerIsLostIsTheSameAttempt) {
  fake_->LoseNextAnswers(3);
  auto guard = Start();
  ASSERT_TRUE(guard.ok()) << guard.status();
  EXPECT_EQ(guard->task().attempts, 1);
  EXPECT_EQ(guard->fence(), 1);
  fake_->LoseNextAnswers(1);
  EXPECT_TRUE(std::move(*guard).Succeed().ok());
  EXPECT_EQ(Get().status, TaskStatus::kSucceeded);
}

TEST_F(FakeFaults, ACallWhoseAnswerIsLostWasCarriedOut) {
  const NewTask batch[] = {{"jobs", "b"}};
  fake_->LoseNextAnswers(2);
  EXPECT_TRUE(absl::IsUnavailable(once_->Create({"jobs", "a"}).status()));
  EXPECT_TRUE(absl::IsUnavailable(once_->CreateAll(batch)[0].status()));
  EXPECT_TRUE(client_->Get("jobs", "a").ok());
  EXPECT_TRUE(client_->Get("jobs", "b").ok());
}

TEST_F(FakeFaults, AnUnreachableServerCostsTheLockAndComesBack) {
  auto guard = Start();
  ASSERT_TRUE(guard.ok());
  fake_->SetReachable(false);
  EXPECT_TRUE(absl::IsUnavailable(once_->Get("jobs", "a").status()));
  fake_->Advance(kLease / 3);
  EXPECT_TRUE(guard->held());
  fake_->Advance(kLease * 2 / 3);
  EXPECT_FALSE(guard->held());
  EXPECT_TRUE(guard->stop_token().stop_requested());
  fake_->SetReachable(true);
  EXPECT_EQ(Get().errors.at(0).kind, ErrorKind::kLeaseExpired);
  EXPECT_TRUE(Start().ok());
}

TEST_F(FakeFaults, AReportOutlastsAnOutage) {
  auto guard = Start();
  ASSERT_TRUE(guard.ok());
  fake_->SetReachable(false);
  auto reported = std::async(std::launch::async, [&guard] { return std::move(*guard).Succeed(); });
  fake_->Advance(kLease / 6);
  EXPECT_EQ(reported.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  fake_->SetReachable(true);
  EXPECT_TRUE(reported.get().ok());
  EXPECT_EQ(Get().status, TaskStatus::kSucceeded);
}

TEST_F(FakeFaults, UnreachableUsesUpNoFault) {
  fake_->FailNext(1, absl::InternalError("after the outage"));
  fake_->SetReachable(false);
  EXPECT_TRUE(absl::IsUnavailable(once_->Count().status()));
  fake_->SetReachable(true);
  EXPECT_TRUE(absl::IsInternal(once_->Count().status()));
}

TEST_F(FakeFaults, AKilledWorkerIsHeardNoMoreAndItsTaskComesBack) {
  const auto doomed = fake_->Connect({.lease = kLease});
  auto guard = doomed->Start("jobs", "a", {.create_if_missing = true});
  ASSERT_TRUE(guard.ok());
  fake_->Kill(*doomed);
  EXPECT_EQ(doomed->Count().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(std::move(*guard).Succeed().ok());
  EXPECT_EQ(Get().status, TaskStatus::kInProgress);
  fake_->Advance(kLease);
  EXPECT_EQ(Get().errors.at(0).kind, ErrorKind::kLeaseExpired);
  EXPECT_TRUE(Start().ok());
}

TEST_F(FakeFaults, AKilledWorkerSendsNoHeartbeat) {
  const auto doomed = fake_->Connect({.lease = kLease});
  auto guard = doomed->Start("jobs", "a", {.create_if_missing = true});
  ASSERT_TRUE(guard.ok());
  fake_->Kill(*doomed);
  for (int i = 0; i < 3; ++i) fake_->Advance(kLease / 3);
  EXPECT_FALSE(guard->held());
  EXPECT_EQ(Get().status, TaskStatus::kFailed);
}

}  // namespace
}  // namespace tracker::testing
