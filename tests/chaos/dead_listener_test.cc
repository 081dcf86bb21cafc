// gRPC 1.51 stops accepting for good when file descriptors run out once. trackerd notices, and ends
// so that its supervisor starts it again.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "absl/strings/match.h"
#include "tests/chaos/raw_http2.h"
#include "tests/e2e/api.h"
#include "tests/e2e/world.h"
#include "tests/support/process_memory.h"

namespace tracker::e2e {
namespace {

constexpr int kSpareFiles = 20;
// Six looks of three seconds and two between them, and as much again for a busy machine.
constexpr absl::Duration kNoticedWithin = absl::Seconds(70);

class DeadListener : public ::testing::Test {
 protected:
  // From now on the server may open a few more files only.
  void LowerLimit() {
    const auto files = static_cast<rlim_t>(testing::OpenFilesOf(server_.pid()) + kSpareFiles);
    rlimit limit{};
    ASSERT_EQ(prlimit(server_.pid(), RLIMIT_NOFILE, nullptr, &limit), 0);
    limit.rlim_cur = files;
    ASSERT_EQ(prlimit(server_.pid(), RLIMIT_NOFILE, &limit, nullptr), 0);
  }

  World world_;
  testing::TrackerdProcess& server_ = world_.Serve(world_.NewStore(Kind::kSqlite));
  Api api_{server_.address()};
};

TEST_F(DeadListener, IsNoticedAndEndsTheProcess) {
  // The self-check has seen the listener alive by then: its first look is at the start.
  ASSERT_EQ(api_.Call(For<v1::CreateRequest>("before")).Verdict(), "OK");
  ASSERT_TRUE(Await([&] { return RawHttp2(server_.address()).Hears(absl::Seconds(10)); }));
  absl::SleepFor(absl::Seconds(1));
  LowerLimit();
  {
    std::vector<RawHttp2> connections;
    for (int i = 0; i < 3 * kSpareFiles; ++i) connections.emplace_back(server_.address());
    connections.front().Hears(absl::Seconds(1));
  }
  if (RawHttp2(server_.address()).Hears(absl::Seconds(5))) {
    GTEST_SKIP() << "this gRPC goes on accepting";
  }
  // Who was connected before is served until the end.
  EXPECT_EQ(api_.Call(For<v1::CreateRequest>("meanwhile")).Verdict(), "OK");
  const absl::StatusOr<int> status = server_.AwaitEnd(kNoticedWithin);
  ASSERT_TRUE(status.ok()) << status.status() << server_.Log();
  EXPECT_TRUE(WIFEXITED(*status));
  EXPECT_EQ(WEXITSTATUS(*status), 3);
  EXPECT_TRUE(absl::StrContains(server_.Log(), "listener_dead")) << server_.Log();
  EXPECT_TRUE(absl::StrContains(server_.Log(), "raise the limit of open files")) << server_.Log();
}

}  // namespace
}  // namespace tracker::e2e
