// Callers that do not read, connections that do nothing, and messages and headers that no library
// would send: refused or borne, within the bounds of memory, while others are served.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "src/base/limits.h"
#include "tests/chaos/memory_bounds.h"
#include "tests/chaos/raw_http2.h"
#include "tests/e2e/api.h"
#include "tests/e2e/world.h"

namespace tracker::e2e {
namespace {

constexpr size_t kRequestBytes = limits::kRequestBytes;

class HostileCallers : public StoreTest {
 protected:
  void ExpectServesOthers(const std::string& id) {
    EXPECT_EQ(api_.Call(For<v1::CreateRequest>(id)).Verdict(), "OK");
    EXPECT_TRUE(api_.Serving());
  }

  // Four MiB of tasks, as large as a page may be.
  void MakeLargeTasks() {
    for (int i = 0; i < 20; ++i) {
      auto create = For<v1::CreateRequest>(absl::StrCat("large", i));
      (*create.mutable_data()->mutable_fields())["k"].set_string_value(
          std::string(200 * 1024, 'x'));
      ASSERT_EQ(api_.Call(create).Verdict(), "OK");
    }
  }

  grpc::Status CallWith(const std::function<void(grpc::ClientContext&)>& prepare,
                        const v1::CreateRequest& request) {
    const auto channel = grpc::CreateChannel(server_.address(), grpc::InsecureChannelCredentials());
    const auto deadline = absl::ToChronoTime(absl::Now() + absl::Seconds(60));
    // trackerd closes a new connection that has sent no first frame after 10 s, and gRPC may send
    // none while it packs a large message.
    EXPECT_TRUE(channel->WaitForConnected(deadline));
    const auto stub = v1::TrackerService::NewStub(channel);
    grpc::ClientContext context;
    context.set_deadline(deadline);
    prepare(context);
    v1::CreateResponse response;
    return stub->Create(&context, request, &response);
  }

  testing::TrackerdProcess& server_ = world_.Serve(world_.NewStore(GetParam()));
  Api api_{server_.address()};
};

// Each asks for two GiB of answers, all in all, and takes none of them.
TEST_P(HostileCallers, ThoseWhoDoNotReadTheirAnswersAreBorne) {
  MakeLargeTasks();
  v1::ListRequest list;
  list.set_namespace_(kJobs);
  list.set_page_size(1000);
  std::vector<RawHttp2> deaf;
  for (int c = 0; c < 10; ++c) {
    deaf.emplace_back(server_.address());
    for (int call = 0; call < 50; ++call) deaf.back().Call("List", list.SerializeAsString());
  }
  for (int i = 0; i < 200; ++i) ExpectServesOthers(absl::StrCat("meanwhile", i));
  // A page still comes, sooner or later, though the deaf hold all that answers may take.
  EXPECT_TRUE(Await([&] { return api_.Call(list).ok(); }, absl::Minutes(2)));
  ExpectMemoryWithin(server_);
}

TEST_P(HostileCallers, ThousandsOfIdleConnectionsAreBorne) {
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  // The server has the same limit, and needs some for itself.
  const auto count = std::min<rlim_t>(5000, limit.rlim_max - std::min<rlim_t>(limit.rlim_max, 500));
  if (count < 5000) std::printf("only %d connections: RLIMIT_NOFILE\n", static_cast<int>(count));
  const int64_t before = testing::MemoryOf(server_.pid()).resident;
  std::vector<RawHttp2> idle;
  for (rlim_t i = 0; i < count; ++i) idle.emplace_back(server_.address());
  for (RawHttp2& connection : idle) ASSERT_TRUE(connection.Hears(absl::Seconds(30)));
  const int64_t each = (testing::MemoryOf(server_.pid()).resident - before) /
                       static_cast<int64_t>(std::max<rlim_t>(count, 1));
  std::printf("%d idle connections, %lld bytes each\n", static_cast<int>(count),
              static_cast<long long>(each));
  if (kMemoryCounts) EXPECT_LT(each, kConnectionBound);
  ExpectServesOthers("meanwhile");
  idle.clear();
  ExpectServesOthers("afterwards");
  ExpectMemoryWithin(server_);
}

TEST_P(HostileCallers, OversizedMessagesAreRefused) {
  for (const size_t size : {kRequestBytes + 1, 64 * kRequestBytes}) {
    EXPECT_EQ(api_.Raw("Create", std::string(size, '\0')).error_code(),
              grpc::StatusCode::RESOURCE_EXHAUSTED);
  }
  // Lengths that are claimed, and do not come.
  for (const uint32_t length : {uint32_t{kRequestBytes} + 1, uint32_t{1} << 31, ~uint32_t{0}}) {
    for (int i = 0; i < 50; ++i) {
      RawHttp2 connection(server_.address());
      for (int call = 0; call < 20; ++call) {
        connection.CallWithBytes("Create", Framed("short", length));
      }
      EXPECT_TRUE(connection.Hears(absl::Seconds(30)));
    }
  }
  ExpectServesOthers("afterwards");
  ExpectMemoryWithin(server_);
}

// A few hundred kilobytes that become hundreds of megabytes.
TEST_P(HostileCallers, CompressedBombsAreRefused) {
  auto bomb = For<v1::CreateRequest>("bomb");
  (*bomb.mutable_data()->mutable_fields())["k"].set_string_value(
      std::string(64 * kRequestBytes, 'x'));
  for (int i = 0; i < 4; ++i) {
    const grpc::Status status = CallWith(
        [](grpc::ClientContext& context) { context.set_compression_algorithm(GRPC_COMPRESS_GZIP); },
        bomb);
    // Not unpacked at all.
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED) << VerdictOf(status);
  }
  RawHttp2 liar(server_.address());
  liar.CallWithBytes("Create", Framed("no gzip at all", 14, /*compressed=*/true),
                     {{"grpc-encoding", "gzip"}});
  EXPECT_TRUE(liar.Hears(absl::Seconds(30)));
  ExpectServesOthers("afterwards");
  ExpectMemoryWithin(server_);
}

TEST_P(HostileCallers, OversizedHeadersAreRefused) {
  for (const size_t size : {9 * 1024, 17 * 1024, 1024 * 1024}) {
    const grpc::Status status = CallWith(
        [size](grpc::ClientContext& context) { context.AddMetadata("x", std::string(size, 'x')); },
        For<v1::CreateRequest>(absl::StrCat("header of ", size)));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << VerdictOf(status);
  }
  RawHttp2::Headers thousands;
  for (int i = 0; i < 10'000; ++i) thousands.emplace_back(absl::StrCat("x", i), "x");
  for (int i = 0; i < 50; ++i) {
    RawHttp2 connection(server_.address());
    for (int call = 0; call < 10; ++call) {
      connection.Call("Create", For<v1::CreateRequest>("headers").SerializeAsString(), thousands);
    }
    EXPECT_TRUE(connection.Hears(absl::Seconds(30)));
  }
  // gRPC may hand a call over before it finds the rest of its headers too large and ends it; but
  // nothing is done for whom it has told so.
  for (const auto& [id, task] : api_.ListAll(kJobs)) EXPECT_EQ(id, "headers");
  ExpectServesOthers("afterwards");
  ExpectMemoryWithin(server_);
}

INSTANTIATE_TEST_SUITE_P(Stores, HostileCallers, BothKinds(), KindName);

}  // namespace
}  // namespace tracker::e2e
