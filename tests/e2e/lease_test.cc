// A worker that vanishes loses its task in bounded time, and can change nothing any more.
#include <gtest/gtest.h>
#include <signal.h>

#include "absl/strings/str_cat.h"
#include "src/base/token.h"
#include "tests/e2e/api.h"
#include "tests/e2e/world.h"

namespace tracker::e2e {
namespace {

constexpr absl::Duration kShort = absl::Milliseconds(200);
// The server looks for leases that are over four times a second.
constexpr absl::Duration kSoon = absl::Seconds(10);

class Lease : public StoreTest {
 protected:
  static bool Becomes(Api& api, const std::string& id, v1::Status status) {
    return Await([&] { return api.Get(id).status() == status; }, kSoon);
  }
};

TEST_P(Lease, VanishedWorkersTaskComesBackAndIsExhaustedInTheEnd) {
  Api api(world_.Serve(world_.NewStore(GetParam())).address());
  v1::CreateRequest create = For<v1::CreateRequest>("a");
  create.set_max_attempts(2);
  ASSERT_TRUE(api.Call(create).ok());

  const std::string first = NewLockToken();
  ASSERT_TRUE(api.Call(StartOf("a", first, kShort)).ok());
  ASSERT_TRUE(Becomes(api, "a", v1::STATUS_FAILED));
  v1::Task task = api.Get("a");
  EXPECT_EQ(task.attempts(), 1);
  ASSERT_EQ(task.errors_size(), 1);
  EXPECT_EQ(task.errors(0).kind(), v1::ERROR_KIND_LEASE_EXPIRED);
  EXPECT_EQ(task.errors(0).attempt(), 1);
  EXPECT_EQ(task.errors(0).worker(), "worker-of-" + first.substr(0, 8));
  EXPECT_FALSE(task.has_lock_expire_time());

  ASSERT_TRUE(api.Call(StartOf("a", NewLockToken(), kShort)).ok());
  ASSERT_TRUE(Becomes(api, "a", v1::STATUS_EXHAUSTED));
  task = api.Get("a");
  EXPECT_EQ(task.attempts(), 2);
  EXPECT_EQ(task.fence(), 2);
  ASSERT_EQ(task.errors_size(), 2);
  EXPECT_EQ(task.errors(1).kind(), v1::ERROR_KIND_LEASE_EXPIRED);
  EXPECT_EQ(api.Call(StartOf("a", NewLockToken())).Verdict(), "TASK_EXHAUSTED");
  EXPECT_EQ(api.Count(kJobs), (std::map<v1::Status, int64_t>{{v1::STATUS_EXHAUSTED, 1}}));
}

TEST_P(Lease, LateReportAfterATakeoverIsRefused) {
  Api api(world_.Serve(world_.NewStore(GetParam())).address());
  ASSERT_TRUE(api.Call(For<v1::CreateRequest>("a")).ok());
  const std::string late = NewLockToken(), holder = NewLockToken();
  ASSERT_TRUE(api.Call(StartOf("a", late, kShort)).ok());
  ASSERT_TRUE(Await([&] { return api.Call(StartOf("a", holder)).ok(); }, kSoon));

  const auto refused = api.Call(Held<v1::SucceedRequest>("a", late));
  EXPECT_EQ(refused.Verdict(), "LOCK_LOST");
  EXPECT_EQ(refused.code(), grpc::StatusCode::ABORTED);
  Refusal refusal = refused.refusal();
  EXPECT_EQ(refusal.metadata["status"], "in_progress");
  EXPECT_EQ(refusal.metadata["worker"], "worker-of-" + holder.substr(0, 8));
  EXPECT_EQ(refusal.metadata["fence"], "2");
  EXPECT_EQ(refused.status.error_details().find(holder), std::string::npos);
  EXPECT_EQ(api.Call(Held<v1::FailRequest>("a", late)).Verdict(), "LOCK_LOST");
  EXPECT_EQ(api.Call(Held<v1::HeartbeatRequest>("a", late)).Verdict(), "LOCK_LOST");
  EXPECT_EQ(api.Call(Held<v1::ReleaseRequest>("a", late)).Verdict(), "LOCK_LOST");
  EXPECT_EQ(api.Call(StartOf("a", late)).Verdict(), "TASK_LOCKED");
  v1::StartRequest takeover = StartOf("a", late);
  takeover.set_ignore_lock(true);
  EXPECT_EQ(api.Call(takeover).Verdict(), "LOCK_LOST") << "one lock is one attempt";

  EXPECT_EQ(api.Call(Held<v1::SucceedRequest>("a", holder)).Verdict(), "OK");
  EXPECT_EQ(api.Get("a").attempts(), 2);
}

TEST_P(Lease, HeartbeatsKeepIt) {
  Api api(world_.Serve(world_.NewStore(GetParam())).address());
  ASSERT_TRUE(api.Call(For<v1::CreateRequest>("a")).ok());
  const std::string lock = NewLockToken();
  // Long enough for a machine that is busy with other tests.
  const absl::Duration lease = absl::Seconds(1);
  ASSERT_TRUE(api.Call(StartOf("a", lock, lease)).ok());
  const absl::Time end = absl::Now() + 2 * lease;
  while (absl::Now() < end) {
    ASSERT_EQ(api.Call(Held<v1::HeartbeatRequest>("a", lock)).Verdict(), "OK");
    absl::SleepFor(absl::Milliseconds(100));
  }
  EXPECT_EQ(api.Call(Held<v1::SucceedRequest>("a", lock)).Verdict(), "OK");
  EXPECT_EQ(api.Get("a").errors_size(), 0);
}

TEST_P(Lease, TwoServersEndEachAttemptOnce) {
  const std::string url = world_.NewStore(GetParam());
  Api one(world_.Serve(url).address());
  Api other(world_.Serve(url).address());
  constexpr int kTasks = 200;
  v1::BatchRequest batch;
  for (int i = 0; i < kTasks; ++i) {
    v1::StartRequest* start = batch.add_operations()->mutable_start();
    *start = StartOf(absl::StrCat("t", i), NewLockToken(), kShort);
    start->set_create_if_missing(true);
  }
  ASSERT_TRUE(one.Call(batch).ok());
  const std::map<v1::Status, int64_t> all_failed = {{v1::STATUS_FAILED, kTasks}};
  ASSERT_TRUE(Await([&] { return other.Count(kJobs) == all_failed; }, kSoon));
  for (const auto& [id, task] : one.ListAll(kJobs)) {
    EXPECT_EQ(task.attempts(), 1) << id;
    EXPECT_EQ(task.errors_size(), 1) << id;
  }
}

TEST_P(Lease, AnotherServerEndsWhatAKilledOneLeft) {
  const std::string url = world_.NewStore(GetParam());
  testing::TrackerdProcess& killed = world_.Serve(url);
  Api other(world_.Serve(url).address());
  {
    Api api(killed.address());
    ASSERT_TRUE(api.Call(For<v1::CreateRequest>("a")).ok());
    ASSERT_TRUE(api.Call(StartOf("a", NewLockToken(), absl::Seconds(1))).ok());
  }
  ASSERT_TRUE(killed.StopBy(SIGKILL).ok());
  ASSERT_TRUE(Becomes(other, "a", v1::STATUS_FAILED));
  EXPECT_EQ(other.Get("a").errors(0).kind(), v1::ERROR_KIND_LEASE_EXPIRED);
}

INSTANTIATE_TEST_SUITE_P(Stores, Lease, BothKinds(), KindName);

}  // namespace
}  // namespace tracker::e2e
