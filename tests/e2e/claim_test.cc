// Claims over the wire: many processes at once, answers that are lost, callers that wait.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <pqxx/pqxx>
#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/async_unary_call.h"
#include "src/base/limits.h"
#include "src/base/token.h"
#include "tests/e2e/api.h"
#include "tests/e2e/world.h"
#include "tests/support/child_process.h"
#include "tests/support/fault_proxy.h"

namespace tracker::e2e {
namespace {

v1::ClaimRequest ClaimOf(int limit, absl::Duration wait, const std::string& lock = NewLockToken()) {
  v1::ClaimRequest claim;
  claim.set_namespace_(kJobs);
  claim.set_limit(limit);
  claim.set_worker("claimer");
  claim.set_lock(lock);
  SetDuration(wait, claim.mutable_wait());
  return claim;
}

std::set<std::string> IdsOf(const v1::ClaimResponse& response) {
  std::set<std::string> ids;
  for (const v1::Task& task : response.tasks()) ids.insert(task.id());
  return ids;
}

int PortOf(const std::string& address) {
  int port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
  return port;
}

class ClaimApiTest : public StoreTest {
 protected:
  void CreateMany(Api& api, int count) {
    for (int i = 0; i < count;) {
      v1::BatchRequest batch;
      for (; i < count && batch.operations_size() < 1000; ++i) {
        *batch.add_operations()->mutable_create() =
            For<v1::CreateRequest>(absl::StrCat("task-", i));
      }
      ASSERT_TRUE(api.Call(batch).ok());
    }
  }
};

TEST_P(ClaimApiTest, EightClaimersInFourProcessesGetEachOfTwentyThousandTasksOnce) {
  constexpr int kTasks = 20'000;
  constexpr int kProcesses = 4;
  const std::string url = world_.NewStore(GetParam());
  const std::vector<std::string> addresses = {world_.Serve(url).address(),
                                              world_.Serve(url).address()};
  Api api(addresses[0]);
  CreateMany(api, kTasks);
  std::vector<pid_t> processes;
  std::vector<std::string> outputs;
  for (int i = 0; i < kProcesses; ++i) {
    outputs.push_back(absl::StrCat(world_.folder(), "/claimer", i));
    // Limits that differ, so that steps do not march in line.
    const auto pid = testing::StartChild(
        {ProgramPath("claimer"), addresses[i % 2], kJobs, "2", absl::StrCat(37 + 20 * i)},
        {.output_file = outputs.back(), .die_with_parent = true});
    ASSERT_TRUE(pid.ok()) << pid.status();
    processes.push_back(*pid);
  }
  std::map<std::string, int> given;
  for (int i = 0; i < kProcesses; ++i) {
    int status = -1;
    ASSERT_TRUE(testing::WaitForChild(processes[i], absl::Minutes(4), &status));
    EXPECT_EQ(status, 0) << ReadFile(outputs[i]);
    int lines = 0;
    for (const auto& id : absl::StrSplit(ReadFile(outputs[i]), '\n', absl::SkipEmpty())) {
      given[std::string(id)] += 1;
      ++lines;
    }
    EXPECT_GT(lines, 0) << "process " << i << " got nothing";
  }
  EXPECT_EQ(given.size(), static_cast<size_t>(kTasks));
  for (const auto& [id, times] : given) EXPECT_EQ(times, 1) << id;
  EXPECT_EQ(api.Count(kJobs), (std::map<v1::Status, int64_t>{{v1::STATUS_SUCCEEDED, kTasks}}));
  for (const auto& [id, task] : api.ListAll(kJobs)) {
    EXPECT_EQ(task.fence(), 1) << id;
    EXPECT_EQ(task.attempts(), 1) << id;
  }
}

TEST_P(ClaimApiTest, ALostAnswerIsGivenAgainToWhoRepeatsTheClaim) {
  testing::TrackerdProcess& server = world_.Serve(world_.NewStore(GetParam()));
  auto proxy = testing::FaultProxy::Start(PortOf(server.address()));
  ASSERT_TRUE(proxy.ok()) << proxy.status();
  Api direct(server.address());
  CreateMany(direct, 20);
  const v1::ClaimRequest claim = ClaimOf(5, absl::ZeroDuration());
  (*proxy)->LoseAnswerWith(claim.lock());
  const auto lost = Api(absl::StrCat("127.0.0.1:", (*proxy)->port())).Call(claim);
  EXPECT_EQ(lost.code(), grpc::StatusCode::UNAVAILABLE) << lost.Verdict();
  EXPECT_EQ((*proxy)->counts().lost_answers, 1);
  const auto again = direct.Call(claim);
  ASSERT_TRUE(again.ok()) << again.Verdict();
  const auto third = direct.Call(claim);
  EXPECT_EQ(IdsOf(again.body), IdsOf(third.body));
  // The server may have seen that the answer did not arrive, and have given the tasks back: then
  // the repeated claim is of no use, and says so by answering none; nothing is held by nobody.
  std::set<std::string> held;
  for (const auto& [id, task] : direct.ListAll(kJobs)) {
    if (task.status() == v1::STATUS_IN_PROGRESS) held.insert(id);
  }
  EXPECT_EQ(held, IdsOf(again.body));
}

TEST_P(ClaimApiTest, WhatALostAnswerHeldComesBackByItself) {
  testing::TrackerdProcess& server = world_.Serve(world_.NewStore(GetParam()));
  auto proxy = testing::FaultProxy::Start(PortOf(server.address()));
  ASSERT_TRUE(proxy.ok()) << proxy.status();
  Api direct(server.address());
  CreateMany(direct, 20);
  v1::ClaimRequest claim = ClaimOf(20, absl::ZeroDuration());
  SetDuration(absl::Seconds(1), claim.mutable_lease());
  (*proxy)->LoseAnswerWith(claim.lock());
  EXPECT_FALSE(Api(absl::StrCat("127.0.0.1:", (*proxy)->port())).Call(claim).ok());
  std::set<std::string> got;
  ASSERT_TRUE(Await([&] {
    const auto claimed = direct.Call(ClaimOf(20, absl::Seconds(1)));
    EXPECT_TRUE(claimed.ok()) << claimed.Verdict();
    for (const std::string& id : IdsOf(claimed.body)) got.insert(id);
    return got.size() == 20;
  }));
}

TEST_P(ClaimApiTest, AWaitingClaimWakesForATaskOfAnotherServer) {
  const std::string url = world_.NewStore(GetParam());
  Api here(world_.Serve(url).address());
  Api there(world_.Serve(url).address());
  // One after the other: made there, its backoff over, released, reset, its lease over.
  const auto claim_here = [&] {
    const auto claimed = here.Call(ClaimOf(1, absl::Seconds(20)));
    EXPECT_TRUE(claimed.ok()) << claimed.Verdict();
    EXPECT_EQ(claimed.body.tasks_size(), 1);
    return claimed.body.tasks_size() == 1 ? claimed.body.tasks(0) : v1::Task();
  };
  // `make` is done while the claim waits; answers how long after it the claim was answered.
  const auto woken_after = [&](const std::function<void()>& make) {
    v1::Task task;
    std::thread claimer([&] { task = claim_here(); });
    absl::SleepFor(absl::Milliseconds(1200));  // It waits, and has looked more than once.
    make();
    const absl::Time made = absl::Now();
    claimer.join();
    EXPECT_EQ(task.id(), "t");
    return std::pair(absl::Now() - made, task.lock());
  };
  auto [after_create, lock] = woken_after([&] { there.Call(For<v1::CreateRequest>("t")); });
  EXPECT_LT(after_create, absl::Milliseconds(1500));
  auto [after_release, lock2] =
      woken_after([&, lock = lock] { there.Call(Held<v1::ReleaseRequest>("t", lock)); });
  EXPECT_LT(after_release, absl::Milliseconds(1500));
  auto [after_fail, lock3] = woken_after([&, lock = lock2] {
    v1::FailRequest fail = Held<v1::FailRequest>("t", lock);
    SetDuration(absl::Milliseconds(300), fail.mutable_retry_delay());
    there.Call(fail);
  });
  EXPECT_GT(after_fail, absl::Milliseconds(250));
  EXPECT_LT(after_fail, absl::Milliseconds(1800));
  auto [after_reset, lock4] = woken_after([&] {
    v1::ResetRequest reset = For<v1::ResetRequest>("t");
    reset.set_force(true);
    there.Call(reset);
  });
  EXPECT_LT(after_reset, absl::Milliseconds(1500));
  // Its lease ends: a second from when it is shortened there.
  auto [after_expiry, lock5] = woken_after([&, lock = lock4] {
    v1::HeartbeatRequest heartbeat = Held<v1::HeartbeatRequest>("t", lock);
    SetDuration(absl::Seconds(1), heartbeat.mutable_lease());
    there.Call(heartbeat);
  });
  EXPECT_GT(after_expiry, absl::Milliseconds(900));
  EXPECT_LT(after_expiry, absl::Milliseconds(2500));
}

TEST_P(ClaimApiTest, ACallerWhoseDeadlineHasPassedHoldsNothing) {
  testing::TrackerdProcess& server = world_.Serve(world_.NewStore(GetParam()));
  Api api(server.address());
  auto channel = grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials());
  const auto stub = v1::TrackerService::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(500));
  v1::ClaimResponse response;
  EXPECT_EQ(stub->Claim(&context, ClaimOf(1, absl::Seconds(30)), &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  CreateMany(api, 1);
  const auto claimed = api.Call(ClaimOf(1, absl::Seconds(5)));
  ASSERT_TRUE(claimed.ok()) << claimed.Verdict();
  ASSERT_EQ(claimed.body.tasks_size(), 1);
  EXPECT_EQ(claimed.body.tasks(0).attempts(), 1);
}

INSTANTIATE_TEST_SUITE_P(Stores, ClaimApiTest, BothKinds(), KindName);

// What PostgreSQL has run for claims that wait, counted by the text of each statement.
struct ClaimStatements {
  // One for all that wait.
  int64_t polls = 0;
  // Looks at the tasks, and at what earlier claims got.
  int64_t looks = 0;
};

ClaimStatements CountClaimStatements(const std::string& url) {
  ClaimStatements counted;
  pqxx::connection connection(url);
  pqxx::nontransaction work(connection);
  for (const pqxx::row& row : work.exec("SELECT query, calls FROM pg_stat_statements")) {
    const auto text = row[0].as<std::string>();
    const auto is = [&](const char* name) {
      return absl::StartsWith(text, absl::StrCat("PREPARE ", name, " AS "));
    };
    if (is("have_claimable")) counted.polls += row[1].as<int64_t>();
    if (is("claim") || is("remembered")) counted.looks += row[1].as<int64_t>();
  }
  return counted;
}

// What a thousand waiting workers cost an idle database: counted by PostgreSQL, against how often
// each statement was due meanwhile. It is never due more often, however busy the machine is.
TEST(WaitingClaimsTest, AThousandCostTheIdleDatabaseAtMostTwoStatementsASecond) {
  constexpr int kWaiting = 1000;
  constexpr int kPolls = 10;
  // The interval of ClaimDeskOptions, and the tenth by which it may be shorter.
  const absl::Duration poll_interval = absl::Milliseconds(650) * 0.9;
  // A call that comes late may have a look of its own.
  constexpr int kLate = 10;
  auto cluster = testing::PostgresCluster::Start(
      {.fsync = false, .settings = {"shared_preload_libraries=pg_stat_statements"}});
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  ASSERT_TRUE((*cluster)->CreateDatabase("waiting").ok());
  const std::string url = (*cluster)->Url("waiting");
  {
    pqxx::connection connection(url);
    pqxx::nontransaction(connection).exec("CREATE EXTENSION pg_stat_statements");
  }
  World world;
  testing::TrackerdProcess& server = world.Serve(url);
  auto channel = grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials());
  const auto stub = v1::TrackerService::NewStub(channel);
  grpc::CompletionQueue queue;
  struct Waiting {
    grpc::ClientContext context;
    v1::ClaimResponse response;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<v1::ClaimResponse>> reader;
  };
  std::vector<std::unique_ptr<Waiting>> waiting;
  for (int i = 0; i < kWaiting; ++i) {
    waiting.push_back(std::make_unique<Waiting>());
    Waiting& one = *waiting.back();
    one.reader = stub->AsyncClaim(&one.context, ClaimOf(1, absl::Seconds(55)), &queue);
    one.reader->Finish(&one.response, &one.status, &one);
  }
  // gRPC gets on with the calls only while a thread waits for them.
  std::thread answers([&] {
    for (int i = 0; i < kWaiting; ++i) {
      void* tag = nullptr;
      bool ok = false;
      if (!queue.Next(&tag, &ok)) return;
      EXPECT_EQ(static_cast<Waiting*>(tag)->status.error_code(), grpc::StatusCode::CANCELLED);
    }
  });
  // The next count after so many polls.
  const auto after_polls = [&](const ClaimStatements& from, int polls) {
    ClaimStatements counted;
    EXPECT_TRUE(Await([&] {
      absl::SleepFor(absl::Milliseconds(100));
      counted = CountClaimStatements(url);
      return counted.polls - from.polls >= polls;
    })) << "nobody looks for what other servers made available";
    return counted;
  };
  // All have come and have been looked for.
  ClaimStatements before = after_polls({}, 1);
  for (int64_t looks = -1; before.looks != looks && !HasFailure();) {
    looks = before.looks;
    before = after_polls(before, 2);
  }
  EXPECT_GT(before.looks, 0) << "the statements have other names by now";
  const auto begin = std::chrono::steady_clock::now();
  before = CountClaimStatements(url);
  const ClaimStatements after = after_polls(before, kPolls);
  const absl::Duration passed = absl::FromChrono(std::chrono::steady_clock::now() - begin);
  // The first of them may have been late, and the last at once after its due time.
  EXPECT_LE(after.polls - before.polls, passed / poll_interval + 2) << passed;
  // Two statements each.
  EXPECT_LE(after.looks - before.looks, 2 * (passed / limits::kClaimRecall + 1 + kLate)) << passed;
  for (const auto& one : waiting) one->context.TryCancel();
  answers.join();
}

}  // namespace
}  // namespace tracker::e2e
