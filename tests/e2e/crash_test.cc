// trackerd is killed, or told to stop, in the middle of its work.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/security/credentials.h"
#include "tests/e2e/load.h"
#include "tests/e2e/world.h"

namespace tracker::e2e {
namespace {

constexpr int kDrainCallers = 24;
constexpr int kDrainBatchCallers = 2;

class Crash : public StoreTest {
 protected:
  static void AwaitMore(const Load& load, int64_t answers) {
    const int64_t before = load.acknowledged();
    EXPECT_TRUE(Await([&] { return load.acknowledged() >= before + answers; }));
  }
  static std::string Show(const std::map<std::string, int>& counts) {
    return ::testing::PrintToString(counts);
  }
};

TEST_P(Crash, KilledUnderLoadItLosesNothingThatItAcknowledged) {
  testing::TrackerdProcess& server = world_.Serve(world_.NewStore(GetParam()));
  Load load(server.address(), {.abandon = 0.3});
  for (int round = 0; round < 5; ++round) {
    AwaitMore(load, 300 + 50 * round);
    ASSERT_TRUE(server.StopBy(SIGKILL).ok());
    ASSERT_TRUE(server.StartAgain().ok());
  }
  AwaitMore(load, 300);
  load.Stop();
  EXPECT_EQ(load.surprises(), (std::map<std::string, int>{}));
  EXPECT_GT(load.unavailable(), 0);
  Api api(server.address());
  ExpectLedgerHolds(api, load.ledger());
}

TEST_P(Crash, KilledOneOfTwoServersTakesNothingWithIt) {
  const std::string url = world_.NewStore(GetParam());
  testing::TrackerdProcess& killed = world_.Serve(url);
  testing::TrackerdProcess& other = world_.Serve(url);
  Load load(killed.address(), {.callers = 6, .batch_callers = 1, .abandon = 0.5});
  AwaitMore(load, 300);
  ASSERT_TRUE(killed.StopBy(SIGKILL).ok());
  load.StopAtOnce();
  Api api(other.address());
  ExpectLedgerHolds(api, load.ledger());
}

TEST_P(Crash, ToldToStopUnderLoadItAnswersWhatIsUnderWay) {
  testing::TrackerdProcess& server = world_.Serve(world_.NewStore(GetParam()));
  Load load(server.address(), {.callers = kDrainCallers, .batch_callers = kDrainBatchCallers});
  AwaitMore(load, 500);
  const absl::Time begin = absl::Now();
  const absl::StatusOr<int> status = server.StopBy(SIGTERM, absl::Seconds(20));
  const absl::Duration took = absl::Now() - begin;
  EXPECT_TRUE(Await([&] { return load.unavailable() > 0; }));
  load.StopAtOnce();
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 0) << "wait status " << *status;
  EXPECT_LT(took, absl::Seconds(10));
  std::map<std::string, int> surprises = load.surprises();
  // gRPC's own answer to a call that comes in while it closes the connection, before the client has
  // heard of that: the call has not begun. So it is at most one of each caller.
  EXPECT_LE(surprises["code 1: CANCELLED"], kDrainCallers + kDrainBatchCallers);
  surprises.erase("code 1: CANCELLED");
  EXPECT_EQ(surprises, (std::map<std::string, int>{}));
  for (const auto& [message, count] : load.disconnects()) {
    // What a call meets that was under way, and whose answer was not waited for.
    EXPECT_EQ(message.find("Socket closed"), std::string::npos) << Show(load.disconnects());
    EXPECT_EQ(message.find("reset by peer"), std::string::npos) << Show(load.disconnects());
  }
  ASSERT_TRUE(server.StartAgain().ok());
  Api api(server.address());
  ExpectLedgerHolds(api, load.ledger());
}

TEST_P(Crash, ToldToStopItDoesNotWaitForThoseWhoWatchItsHealth) {
  testing::TrackerdProcess& server = world_.Serve(world_.NewStore(GetParam()));
  const auto channel = grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials());
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  void* tag = nullptr;
  bool ok = false;
  const auto step = [&] { return queue.Next(&tag, &ok) && ok; };
  auto watch = stub.PrepareCall(&context, "/grpc.health.v1.Health/Watch", &queue);
  watch->StartCall(nullptr);
  ASSERT_TRUE(step());
  const grpc::Slice nothing;
  watch->WriteLast(grpc::ByteBuffer(&nothing, 1), grpc::WriteOptions(), nullptr);
  ASSERT_TRUE(step());
  grpc::ByteBuffer health;
  watch->Read(&health, nullptr);
  ASSERT_TRUE(step());

  const absl::StatusOr<int> status = server.StopBy(SIGTERM, absl::Seconds(10));
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 0) << "wait status " << *status;
  context.TryCancel();
  grpc::Status end;
  watch->Finish(&end, nullptr);
  step();
}

INSTANTIATE_TEST_SUITE_P(Stores, Crash, BothKinds(), KindName);

}  // namespace
}  // namespace tracker::e2e
