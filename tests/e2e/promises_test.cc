// What must hold when a link breaks, a caller gives up, or a stranger holds rows, between two real
// trackerds over one store. Each is tried many times, as each is a race.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <pqxx/pqxx>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "src/base/token.h"
#include "tests/e2e/api.h"
#include "tests/e2e/world.h"
#include "tests/support/fault_proxy.h"

namespace tracker::e2e {
namespace {

constexpr int kRounds = 20;

v1::ClaimRequest ClaimOf(const std::string& lock) {
  v1::ClaimRequest claim;
  claim.set_namespace_(kJobs);
  claim.set_limit(1);
  claim.set_worker("claimer");
  claim.set_lock(lock);
  SetDuration(absl::Minutes(1), claim.mutable_lease());
  return claim;
}

// A call that gives up after so long.
v1::ClaimResponse ClaimWithin(const std::string& address, const v1::ClaimRequest& claim,
                              absl::Duration patience) {
  const auto stub =
      v1::TrackerService::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + patience));
  v1::ClaimResponse response;
  (void)stub->Claim(&context, claim, &response);
  return response;
}

// Two servers over one PostgreSQL, the first one through a proxy.
class BrokenLink : public ::testing::Test {
 protected:
  BrokenLink() {
    const std::string url = world_.NewStore(Kind::kPostgres);
    proxy_ = *testing::FaultProxy::Start(SharedPostgres().port());
    const std::string through =
        absl::StrReplaceAll(url, {{absl::StrCat(":", SharedPostgres().port(), "/"),
                                   absl::StrCat(":", proxy_->port(), "/")}});
    // The second one makes the schema.
    second_address_ = world_.Serve(url).address();
    first_address_ =
        world_.Serve(absl::StrCat(through, "?sslmode=disable&gssencmode=disable"), {"--no-reaper"})
            .address();
    first_ = std::make_unique<Api>(first_address_);
    second_ = std::make_unique<Api>(second_address_);
  }

  World world_;
  std::unique_ptr<testing::FaultProxy> proxy_;
  std::string first_address_, second_address_;
  std::unique_ptr<Api> first_, second_;
};

// The first server's answer comes from the database so late that its caller has given up, and has
// repeated the Claim elsewhere.
TEST_F(BrokenLink, ARepeatedClaimKeepsItsTaskThoughAnEarlierOneFindsItsCallerGone) {
  constexpr absl::Duration kDelay = absl::Milliseconds(150);
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE(round);
    const std::string id = absl::StrCat("task-", round);
    ASSERT_TRUE(second_->Call(For<v1::CreateRequest>(id)).ok());
    const std::string lock = NewLockToken();
    proxy_->DelayAnswers(kDelay);
    // Some give up before the commit, some after it, some when the answer is on its way.
    const absl::Duration patience = kDelay * (1.5 + 0.1 * round);
    const v1::ClaimResponse lost = ClaimWithin(first_address_, ClaimOf(lock), patience);
    auto repeated = second_->Call(ClaimOf(lock));
    proxy_->DelayAnswers(absl::ZeroDuration());
    ASSERT_TRUE(repeated.ok()) << repeated.Verdict();
    if (repeated.body.tasks_size() == 0) {
      // The first server has given the task back before: the lock is spent.
      const std::string another = NewLockToken();
      ASSERT_TRUE(Await([&] {
        repeated = second_->Call(ClaimOf(another));
        return repeated.body.tasks_size() == 1;
      }));
      EXPECT_EQ(second_->Call(Held<v1::SucceedRequest>(id, another)).Verdict(), "OK");
      continue;
    }
    EXPECT_EQ(repeated.body.tasks(0).id(), id);
    EXPECT_GT(ToDuration(repeated.body.tasks(0).lease_remaining()), absl::Seconds(59));
    const absl::Time until = absl::Now() + 4 * kDelay;
    while (absl::Now() < until) {
      EXPECT_EQ(second_->Call(ClaimOf(NewLockToken())).body.tasks_size(), 0)
          << "another worker gets a task that is held";
      absl::SleepFor(absl::Milliseconds(10));
    }
    EXPECT_EQ(second_->Call(Held<v1::SucceedRequest>(id, lock)).Verdict(), "OK");
  }
}

// What one caller asks of the first server; what another one does through the second when that is
// committed, and unanswered; and what the first one must be told.
struct InDoubt {
  std::string name;
  // Brings the task into the state from which it begins; `lock` is to hold it.
  std::function<void(Api&, const std::string& id, const std::string& lock)> prepare;
  std::function<v1::Operation(const std::string& id, const std::string& lock)> ask;
  // Whether the task must be made or reset before another worker can start it.
  bool gone = false;
  bool finished = false;
  v1::Status answered = v1::STATUS_PENDING;
};

void CreateOnly(Api& api, const std::string& id, const std::string&) {
  ASSERT_TRUE(api.Call(For<v1::CreateRequest>(id)).ok());
}
void CreateAndStart(Api& api, const std::string& id, const std::string& lock) {
  CreateOnly(api, id, lock);
  ASSERT_TRUE(api.Call(StartOf(id, lock)).ok());
}
void CreateAndEnd(Api& api, const std::string& id, const std::string& lock) {
  CreateAndStart(api, id, lock);
  ASSERT_TRUE(api.Call(Held<v1::SucceedRequest>(id, lock)).ok());
}

std::vector<InDoubt> CommitsInDoubt() {
  return {
      {"Delete", CreateOnly,
       [](const std::string& id, const std::string&) {
         v1::Operation operation;
         *operation.mutable_delete_() = For<v1::DeleteRequest>(id);
         return operation;
       },
       /*gone=*/true, false, v1::STATUS_PENDING},
      {"Reset", CreateAndEnd,
       [](const std::string& id, const std::string&) {
         v1::Operation operation;
         *operation.mutable_reset() = For<v1::ResetRequest>(id);
         return operation;
       },
       false, false, v1::STATUS_PENDING},
      {"Ignore", CreateOnly,
       [](const std::string& id, const std::string&) {
         v1::Operation operation;
         *operation.mutable_ignore() = For<v1::IgnoreRequest>(id);
         return operation;
       },
       false, /*finished=*/true, v1::STATUS_IGNORED},
      {"Succeed", CreateAndStart,
       [](const std::string& id, const std::string& lock) {
         v1::Operation operation;
         *operation.mutable_succeed() = Held<v1::SucceedRequest>(id, lock);
         return operation;
       },
       false, /*finished=*/true, v1::STATUS_SUCCEEDED},
      {"Fail", CreateAndStart,
       [](const std::string& id, const std::string& lock) {
         v1::Operation operation;
         *operation.mutable_fail() = Held<v1::FailRequest>(id, lock);
         return operation;
       },
       false, false, v1::STATUS_FAILED},
      {"Release", CreateAndStart,
       [](const std::string& id, const std::string& lock) {
         v1::Operation operation;
         *operation.mutable_release() = Held<v1::ReleaseRequest>(id, lock);
         return operation;
       },
       false, false, v1::STATUS_PENDING},
  };
}

TEST_F(BrokenLink, ACommitInDoubtIsAnsweredAsItWasThoughOthersHaveGoneOn) {
  for (const InDoubt& kind : CommitsInDoubt()) {
    for (int round = 0; round < kRounds; ++round) {
      SCOPED_TRACE(absl::StrCat(kind.name, " ", round));
      const std::string id = absl::StrCat(kind.name, "-", round, "-");
      const std::string lock = NewLockToken(), others = NewLockToken();
      kind.prepare(*second_, id, lock);
      v1::BatchRequest batch;
      *batch.add_operations() = kind.ask(id, lock);
      proxy_->CutAfterRequest(1, {"COMMIT", id}, [&] {
        if (kind.gone) {
          EXPECT_EQ(second_->Call(For<v1::CreateRequest>(id)).Verdict(), "OK");
        }
        if (kind.finished) {
          EXPECT_EQ(second_->Call(For<v1::ResetRequest>(id)).Verdict(), "OK");
        }
        EXPECT_EQ(second_->Call(StartOf(id, others)).Verdict(), "OK");
      });
      const int64_t lost = proxy_->counts().lost_answers;
      const auto reply = first_->Call(batch);
      EXPECT_EQ(proxy_->counts().lost_answers, lost + 1);
      ASSERT_TRUE(reply.ok()) << reply.Verdict();
      ASSERT_TRUE(reply.body.results(0).has_task())
          << RefusalOf(reply.body.results(0).error()).reason;
      EXPECT_EQ(reply.body.results(0).task().status(), kind.answered);
      EXPECT_EQ(reply.body.results(0).task().id(), id);
      EXPECT_TRUE(reply.body.results(0).task().has_create_time()) << "no blank task";
      EXPECT_EQ(second_->Call(Held<v1::SucceedRequest>(id, others)).Verdict(), "OK")
          << "what the other one was told holds no more";
    }
  }
}

TEST_F(BrokenLink, ABatchOfSeveralInDoubtIsAnsweredAsItWas) {
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE(round);
    const std::string id = absl::StrCat("several-", round, "-");
    const std::string lock = NewLockToken(), others = NewLockToken();
    CreateOnly(*second_, id, lock);
    v1::BatchRequest batch;
    *batch.add_operations()->mutable_start() = StartOf(id, lock);
    *batch.add_operations()->mutable_heartbeat() = Held<v1::HeartbeatRequest>(id, lock);
    *batch.add_operations()->mutable_fail() = Held<v1::FailRequest>(id, lock);
    proxy_->CutAfterRequest(1, {"COMMIT", id},
                            [&] { EXPECT_EQ(second_->Call(StartOf(id, others)).Verdict(), "OK"); });
    const auto reply = first_->Call(batch);
    ASSERT_TRUE(reply.ok()) << reply.Verdict();
    for (const auto& result : reply.body.results()) {
      EXPECT_TRUE(result.has_task()) << RefusalOf(result.error()).reason;
    }
    EXPECT_EQ(reply.body.results(0).task().lock(), lock);
    EXPECT_EQ(second_->Call(Held<v1::SucceedRequest>(id, others)).Verdict(), "OK");
    EXPECT_EQ(second_->Get(id).attempts(), 2);
  }
}

class RepeatedClaim : public StoreTest {};
INSTANTIATE_TEST_SUITE_P(Stores, RepeatedClaim, BothKinds(), KindName);

// A stranger has the store locked for as long as two Claims with one lock wait in two servers; the
// caller of the first has given up.
TEST_P(RepeatedClaim, KeepsItsTaskWhicheverOfTheTwoComesFirst) {
  const std::string url = world_.NewStore(GetParam());
  const std::string first = world_.Serve(url).address();
  const std::string second = world_.Serve(url).address();
  Api api(second);
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE(round);
    const std::string id = absl::StrCat("task-", round);
    ASSERT_TRUE(api.Call(For<v1::CreateRequest>(id)).ok());
    const std::string lock = NewLockToken();
    v1::ClaimResponse repeated;
    {
      const auto held = world_.LockStore(url);
      (void)ClaimWithin(first, ClaimOf(lock), absl::Milliseconds(50));
      std::thread caller([&] { repeated = ClaimWithin(second, ClaimOf(lock), absl::Seconds(20)); });
      absl::SleepFor(absl::Milliseconds(round % 2 == 0 ? 20 : 0));
      held->Unlock();
      caller.join();
    }
    std::string mine = lock;
    if (repeated.tasks_size() == 0) {
      mine = NewLockToken();
      ASSERT_TRUE(Await([&] { return api.Call(ClaimOf(mine)).body.tasks_size() == 1; }));
    } else {
      const absl::Time until = absl::Now() + absl::Milliseconds(150);
      while (absl::Now() < until) {
        EXPECT_EQ(api.Call(ClaimOf(NewLockToken())).body.tasks_size(), 0)
            << "another worker gets a task that is held";
        absl::SleepFor(absl::Milliseconds(5));
      }
    }
    EXPECT_EQ(api.Call(Held<v1::SucceedRequest>(id, mine)).Verdict(), "OK");
  }
}

// As many rows as a psql may forget about, each met for the first time by some call.
TEST(HeldRows, DoNotStallWritesOnOtherTasks) {
  constexpr int kHeld = 200;
  World world;
  const std::string url = world.NewStore(Kind::kPostgres);
  const std::string address = world.Serve(url).address();
  Api api(address);
  v1::BatchRequest create;
  for (int i = 0; i < kHeld; ++i) {
    *create.add_operations()->mutable_create() = For<v1::CreateRequest>(absl::StrCat("held-", i));
  }
  ASSERT_TRUE(api.Call(create).ok());
  pqxx::connection connection(url);
  pqxx::work stranger(connection);
  stranger.exec("SELECT 1 FROM tracker.task WHERE id LIKE 'held-%' FOR UPDATE");
  std::atomic<bool> stop{false};
  std::atomic<int> refused{0};
  std::vector<std::thread> callers;
  constexpr int kCallers = 20;
  for (int c = 0; c < kCallers; ++c) {
    callers.emplace_back([&, c] {
      Api mine(address);
      for (int i = c; !stop; i = (i + kCallers) % kHeld) {
        refused += mine.Call(StartOf(absl::StrCat("held-", i), NewLockToken())).Verdict() ==
                   "STORE_UNAVAILABLE";
      }
    });
  }
  // How many unrelated writes come back while calls on held rows wait out their half second each:
  // with a lane that waits for every one of them there would be no more of these than of those.
  EXPECT_TRUE(Await([&] { return refused > 0; }));
  const int before = refused;
  std::vector<absl::Duration> took;
  while (refused < before + 2 * kHeld) {
    const absl::Time begin = absl::Now();
    ASSERT_EQ(api.Call(For<v1::CreateRequest>(absl::StrCat("free-", took.size()))).Verdict(), "OK");
    took.push_back(absl::Now() - begin);
  }
  stop = true;
  for (std::thread& caller : callers) caller.join();
  // For whoever reads the log: no test goes by time.
  std::sort(took.begin(), took.end());
  std::printf("%zu writes beside %d held rows: p50 %.1f ms, p99 %.1f ms\n", took.size(), kHeld,
              absl::ToDoubleMilliseconds(took[took.size() / 2]),
              absl::ToDoubleMilliseconds(took[took.size() * 99 / 100]));
  EXPECT_GT(took.size(), 2u * kHeld);
}

}  // namespace
}  // namespace tracker::e2e
