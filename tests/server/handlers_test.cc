// The handlers over a real gRPC channel, with a real SQLite store, and with one that is stuck.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/security/credentials.h"
#include "server/errors.h"
#include "server/grpc_server.h"
#include "server/health.h"
#include "server/logging.h"
#include "server/wire.h"
#include "src/service/tracker.h"
#include "src/store/store.h"
#include "tests/support/unavailable_store.h"
#include "tracker/v1/tracker.grpc.pb.h"

namespace tracker::server {
namespace {

constexpr char kServicePath[] = "/tracker.v1.TrackerService/";

// A server of its own for each test, on a free port.
class Serving {
 public:
  explicit Serving(std::unique_ptr<store::Store> store, service::TrackerOptions options = {}) {
    TakeOverLibraryLogs();
    options.on_health = [this](bool healthy, const std::string& reason) {
      health_.OnStore(healthy, reason);
    };
    tracker_ = std::make_unique<service::Tracker>(std::move(store), std::move(options));
    Config config;
    config.listen = "127.0.0.1:0";
    auto server = GrpcServer::Start(config, tracker_.get(), &health_);
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials());
    stub_ = v1::TrackerService::NewStub(channel_);
    admin_ = v1::AdminService::NewStub(channel_);
  }
  ~Serving() {
    tracker_->Stop();
    server_->Shutdown(absl::Now());
  }

  v1::TrackerService::Stub& stub() { return *stub_; }
  v1::AdminService::Stub& admin() { return *admin_; }
  const std::string& address() const { return server_->address(); }
  service::Tracker* tracker() { return tracker_.get(); }
  Health& health() { return health_; }

  // A call with bytes that no client library would send.
  grpc::Status Raw(const std::string& method_path, const std::string& bytes,
                   grpc::ByteBuffer* response) {
    grpc::GenericStub stub(channel_);
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer request(&slice, 1);
    auto call = stub.PrepareUnaryCall(&context, method_path, request, &queue);
    call->StartCall();
    grpc::Status status;
    call->Finish(response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return status;
  }

 private:
  Health health_;
  std::unique_ptr<service::Tracker> tracker_;
  std::unique_ptr<GrpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::TrackerService::Stub> stub_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
};

class TempFolder {
 public:
  TempFolder() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "handlers_test_XXXXXX");
    path_ = mkdtemp(pattern.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::unique_ptr<store::Store> OpenSqlite(const TempFolder& folder) {
  auto store = store::Open(absl::StrCat("sqlite:", folder.path(), "/tracker.db"), {});
  EXPECT_TRUE(store.ok()) << store.status();
  return *std::move(store);
}

// Keeps every Apply until it is released.
class StuckStore final : public testing::UnavailableStore {
 public:
  explicit StuckStore(absl::Notification* release) : release_(*release) {}

  absl::StatusOr<int64_t> PolicyVersion() override { return 1; }
  absl::StatusOr<store::PolicyPage> ListPolicies(const store::PolicyQuery&) override {
    return store::PolicyPage{};
  }

  std::vector<domain::Outcome> Apply(absl::Span<const domain::Command* const> commands,
                                     const store::ApplyOptions&) override {
    release_.WaitForNotification();
    return std::vector<domain::Outcome>(
        commands.size(), domain::Outcome{.reason = domain::Reason::kStoreUnavailable});
  }

 private:
  absl::Notification& release_;
};

template <typename Detail>
std::optional<Detail> Find(const grpc::Status& status) {
  google::rpc::Status error;
  Detail found;
  if (!error.ParseFromString(status.error_details())) return std::nullopt;
  for (const auto& detail : error.details()) {
    if (detail.UnpackTo(&found)) return found;
  }
  return std::nullopt;
}

std::string ReasonOf(const grpc::Status& status) {
  const auto info = Find<google::rpc::ErrorInfo>(status);
  return info ? info->reason() : absl::StrCat("none: ", status.error_message());
}

std::string FirstField(const grpc::Status& status) {
  const auto bad = Find<google::rpc::BadRequest>(status);
  return bad && bad->field_violations_size() > 0 ? bad->field_violations(0).field() : "";
}

template <typename Request>
Request Named(const std::string& id, const std::string& lock = "") {
  Request request;
  request.set_namespace_("n");
  request.set_id(id);
  if constexpr (requires { request.set_lock(lock); }) request.set_lock(lock);
  return request;
}

class HandlersTest : public ::testing::Test {
 protected:
  v1::Task Start(const std::string& id) {
    auto request = Named<v1::StartRequest>(id);
    request.set_create_if_missing(true);
    request.set_worker("tester");
    grpc::ClientContext context;
    v1::StartResponse response;
    const grpc::Status status = serving_.stub().Start(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.task();
  }

  template <typename Response, typename Request>
  grpc::Status Call(grpc::Status (v1::TrackerService::Stub::*method)(grpc::ClientContext*,
                                                                     const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    return (serving_.stub().*method)(&context, request, response);
  }

  TempFolder folder_;
  Serving serving_{OpenSqlite(folder_)};
};

using Stub = v1::TrackerService::Stub;

TEST_F(HandlersTest, ATaskGoesFromCreateToSuccess) {
  auto create = Named<v1::CreateRequest>("1");
  (*create.mutable_data()->mutable_fields())["n"].set_number_value(5);
  v1::CreateResponse created;
  ASSERT_TRUE(Call(&Stub::Create, create, &created).ok());
  EXPECT_EQ(created.task().status(), v1::STATUS_PENDING);
  EXPECT_EQ(ReasonOf(Call(&Stub::Create, create, &created)), "TASK_EXISTS");

  const v1::Task started = Start("1");
  EXPECT_EQ(started.lock().size(), 32u);
  EXPECT_EQ(started.data().fields().at("n").number_value(), 5);

  v1::StartResponse again;
  const grpc::Status locked = Call(&Stub::Start, Named<v1::StartRequest>("1"), &again);
  EXPECT_EQ(locked.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(ReasonOf(locked), "TASK_LOCKED");
  EXPECT_EQ(Find<v1::Task>(locked)->worker(), "tester");
  EXPECT_TRUE(Find<google::rpc::RetryInfo>(locked).has_value());

  v1::HeartbeatResponse renewed;
  ASSERT_TRUE(
      Call(&Stub::Heartbeat, Named<v1::HeartbeatRequest>("1", started.lock()), &renewed).ok());
  EXPECT_EQ(renewed.task().lock(), "");

  v1::SucceedResponse succeeded;
  ASSERT_TRUE(
      Call(&Stub::Succeed, Named<v1::SucceedRequest>("1", started.lock()), &succeeded).ok());
  EXPECT_EQ(succeeded.task().status(), v1::STATUS_SUCCEEDED);

  v1::GetResponse got;
  ASSERT_TRUE(Call(&Stub::Get, Named<v1::GetRequest>("1"), &got).ok());
  EXPECT_EQ(got.task().lock(), "");
  EXPECT_EQ(got.task().data().fields().at("n").number_value(), 5);
}

TEST_F(HandlersTest, FailuresAreOnRecordAndOperatorsHaveTheirWay) {
  auto fail = Named<v1::FailRequest>("1", Start("1").lock());
  fail.set_message("boom 'quoted' {%}\\");
  fail.set_no_retry(true);
  v1::FailResponse failed;
  ASSERT_TRUE(Call(&Stub::Fail, fail, &failed).ok());
  EXPECT_EQ(failed.task().status(), v1::STATUS_EXHAUSTED);
  ASSERT_EQ(failed.task().errors_size(), 1);
  EXPECT_EQ(failed.task().errors(0).message(), "boom 'quoted' {%}\\");

  v1::ResetResponse reset;
  ASSERT_TRUE(Call(&Stub::Reset, Named<v1::ResetRequest>("1"), &reset).ok());
  v1::ReleaseResponse released;
  ASSERT_TRUE(
      Call(&Stub::Release, Named<v1::ReleaseRequest>("1", Start("1").lock()), &released).ok());
  EXPECT_EQ(released.task().attempts(), 0);
  v1::IgnoreResponse ignored;
  ASSERT_TRUE(Call(&Stub::Ignore, Named<v1::IgnoreRequest>("1"), &ignored).ok());
  EXPECT_EQ(ignored.task().status(), v1::STATUS_IGNORED);
  v1::DeleteResponse deleted;
  ASSERT_TRUE(Call(&Stub::Delete, Named<v1::DeleteRequest>("1"), &deleted).ok());
  v1::GetResponse got;
  EXPECT_EQ(ReasonOf(Call(&Stub::Get, Named<v1::GetRequest>("1"), &got)), "TASK_NOT_FOUND");
}

TEST_F(HandlersTest, ListAndCountReadWhatWasWritten) {
  for (int i = 0; i < 5; ++i) Start(absl::StrCat(i));
  v1::ListRequest list;
  list.set_namespace_("n");
  list.set_page_size(2);
  std::vector<std::string> ids;
  do {
    v1::ListResponse page;
    ASSERT_TRUE(Call(&Stub::List, list, &page).ok());
    for (const v1::Task& task : page.tasks()) {
      ids.push_back(task.id());
      EXPECT_EQ(task.lock(), "");
    }
    list.set_page_token(page.next_page_token());
  } while (!list.page_token().empty());
  EXPECT_EQ(ids, (std::vector<std::string>{"4", "3", "2", "1", "0"}));

  list.set_page_token("garbage");
  v1::ListResponse page;
  EXPECT_EQ(FirstField(Call(&Stub::List, list, &page)), "page_token");

  v1::CountResponse counts;
  ASSERT_TRUE(Call(&Stub::Count, v1::CountRequest(), &counts).ok());
  ASSERT_EQ(counts.counts_size(), 1);
  EXPECT_EQ(counts.counts(0).count(), 5);
}

TEST_F(HandlersTest, CountsAndPoliciesComeInPages) {
  for (const char* name_space : {"a", "b", "c"}) {
    v1::CreateRequest create;
    create.set_namespace_(name_space);
    create.set_id("1");
    v1::CreateResponse created;
    ASSERT_TRUE(Call(&Stub::Create, create, &created).ok());
    v1::SetPolicyRequest set;
    set.mutable_policy()->set_namespace_(name_space);
    v1::SetPolicyResponse answer;
    ASSERT_TRUE(Call(&Stub::SetPolicy, set, &answer).ok());
  }
  std::vector<std::string> counted, listed;
  v1::CountRequest count;
  count.set_page_size(2);
  v1::ListPoliciesRequest list;
  list.set_page_size(2);
  std::vector<std::string> tokens;
  do {
    v1::CountResponse page;
    ASSERT_TRUE(Call(&Stub::Count, count, &page).ok());
    for (const v1::StatusCount& of_it : page.counts()) counted.push_back(of_it.namespace_());
    count.set_page_token(page.next_page_token());
    tokens.push_back(page.next_page_token());
  } while (!count.page_token().empty());
  do {
    v1::ListPoliciesResponse page;
    ASSERT_TRUE(Call(&Stub::ListPolicies, list, &page).ok());
    for (const v1::Policy& policy : page.policies()) listed.push_back(policy.namespace_());
    list.set_page_token(page.next_page_token());
  } while (!list.page_token().empty());
  EXPECT_EQ(counted, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(listed, counted);
  EXPECT_EQ(tokens.size(), 2u);

  // A token is of one list with one filter.
  v1::CountResponse counts;
  v1::ListPoliciesResponse policies;
  for (const std::string& token : {tokens[0], std::string("garbage"), std::string(5000, 't')}) {
    list.set_page_token(token);
    EXPECT_EQ(FirstField(Call(&Stub::ListPolicies, list, &policies)), "page_token");
    count.set_namespace_("a");
    count.set_page_token(token);
    EXPECT_EQ(FirstField(Call(&Stub::Count, count, &counts)), "page_token");
  }
  for (const int size : {-1, 1001}) {
    count.clear_page_token();
    count.set_page_size(size);
    EXPECT_EQ(FirstField(Call(&Stub::Count, count, &counts)), "page_size");
    list.clear_page_token();
    list.set_page_size(size);
    EXPECT_EQ(FirstField(Call(&Stub::ListPolicies, list, &policies)), "page_size");
  }
}

TEST_F(HandlersTest, AnEmptyAnswerIsAnAnswer) {
  v1::CountResponse counts;
  EXPECT_TRUE(Call(&Stub::Count, v1::CountRequest(), &counts).ok());
}

TEST_F(HandlersTest, ABatchGivesEachOperationItsResult) {
  v1::BatchRequest batch;
  *batch.add_operations()->mutable_create() = Named<v1::CreateRequest>("1");
  *batch.add_operations()->mutable_start() = Named<v1::StartRequest>("1");
  *batch.add_operations()->mutable_succeed() = Named<v1::SucceedRequest>("1", "bad lock");
  *batch.add_operations()->mutable_delete_() = Named<v1::DeleteRequest>("1");
  v1::BatchResponse response;
  ASSERT_TRUE(Call(&Stub::Batch, batch, &response).ok());
  ASSERT_EQ(response.results_size(), 4);
  EXPECT_TRUE(response.results(0).has_task());
  EXPECT_EQ(response.results(1).task().lock().size(), 32u);
  EXPECT_EQ(response.results(2).error().message().substr(0, 26), "operations[2].succeed.lock");
  EXPECT_EQ(response.results(3).error().code(), grpc::StatusCode::ABORTED);
}

TEST_F(HandlersTest, ABatchMayBeAllBadButNotEmptyOrTooLong) {
  v1::BatchRequest batch;
  v1::BatchResponse response;
  EXPECT_EQ(FirstField(Call(&Stub::Batch, batch, &response)), "operations");
  for (int i = 0; i < 1000; ++i) batch.add_operations();
  EXPECT_TRUE(Call(&Stub::Batch, batch, &response).ok());
  EXPECT_EQ(response.results_size(), 1000);
  batch.add_operations();
  EXPECT_EQ(FirstField(Call(&Stub::Batch, batch, &response)), "operations");
}

TEST_F(HandlersTest, BytesThatAreNotUtf8NameTheirField) {
  // StartRequest: namespace = 1, id = 2.
  const grpc::Status status = [&] {
    grpc::ByteBuffer response;
    return serving_.Raw(absl::StrCat(kServicePath, "Start"), "\x0a\x01n\x12\x02\xC3\x28",
                        &response);
  }();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FirstField(status), "id");
}

TEST_F(HandlersTest, BytesThatAreNoMessageAreRefused) {
  grpc::ByteBuffer response;
  const grpc::Status status =
      serving_.Raw(absl::StrCat(kServicePath, "Batch"), "\xFF\xFF\xFF", &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "INVALID_ARGUMENT");
}

TEST_F(HandlersTest, DataOfFortyLevelsOrThreeHundredKilobytesIsRefusedByName) {
  auto create = Named<v1::CreateRequest>("deep");
  google::protobuf::Struct* inner = create.mutable_data();
  for (int i = 1; i < 40; ++i) inner = (*inner->mutable_fields())["a"].mutable_struct_value();
  v1::CreateResponse response;
  EXPECT_EQ(FirstField(Call(&Stub::Create, create, &response)), "data");

  create = Named<v1::CreateRequest>("large");
  (*create.mutable_data()->mutable_fields())["k"].set_string_value(std::string(300 * 1024, 'x'));
  EXPECT_EQ(FirstField(Call(&Stub::Create, create, &response)), "data");
}

TEST_F(HandlersTest, DataOfThirtyTwoLevelsComesBack) {
  auto create = Named<v1::CreateRequest>("deep");
  google::protobuf::Struct* inner = create.mutable_data();
  for (int i = 1; i < 32; ++i) inner = (*inner->mutable_fields())["a"].mutable_struct_value();
  (*inner->mutable_fields())["leaf"].set_string_value("'\"{}\\%");
  v1::CreateResponse response;
  const grpc::Status status = Call(&Stub::Create, create, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.task().data().DebugString(), create.data().DebugString());
}

TEST_F(HandlersTest, RequestsForManyAreRefusedByName) {
  v1::ClaimRequest claim;
  claim.set_namespace_("n");
  claim.set_limit(1001);
  v1::ClaimResponse claimed;
  EXPECT_EQ(FirstField(Call(&Stub::Claim, claim, &claimed)), "limit");
  v1::SetPolicyResponse set;
  EXPECT_EQ(FirstField(Call(&Stub::SetPolicy, v1::SetPolicyRequest(), &set)), "policy");
  v1::GetPolicyResponse got;
  EXPECT_EQ(FirstField(Call(&Stub::GetPolicy, v1::GetPolicyRequest(), &got)), "namespace");
  v1::DeletePolicyResponse deleted;
  EXPECT_EQ(FirstField(Call(&Stub::DeletePolicy, v1::DeletePolicyRequest(), &deleted)),
            "namespace");
  v1::GroupErrorsResponse groups;
  EXPECT_EQ(FirstField(Call(&Stub::GroupErrors, v1::GroupErrorsRequest(), &groups)), "namespace");
}

TEST_F(HandlersTest, JobsAreRefusedByName) {
  grpc::ClientContext bulk_context;
  v1::BulkUpdateRequest bulk;
  bulk.set_namespace_("n");
  auto bulk_reader = serving_.stub().BulkUpdate(&bulk_context, bulk);
  v1::BulkUpdateResponse none;
  EXPECT_FALSE(bulk_reader->Read(&none));
  EXPECT_EQ(FirstField(bulk_reader->Finish()), "action");

  grpc::ClientContext purge_context;
  v1::PurgeRequest purge;
  purge.set_namespace_("a b");
  auto purge_reader = serving_.admin().Purge(&purge_context, purge);
  v1::PurgeResponse nothing;
  EXPECT_FALSE(purge_reader->Read(&nothing));
  EXPECT_EQ(FirstField(purge_reader->Finish()), "namespace");
}

TEST_F(HandlersTest, ASecondServerOnThePortFails) {
  Config config;
  config.listen = serving_.address();
  Health health;
  const auto second = GrpcServer::Start(config, serving_.tracker(), &health);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(std::string(second.status().message()),
            absl::StrCat("cannot listen on ", serving_.address(),
                         ": Address already in use; stop what serves there, or choose another "
                         "address with --listen"));
}

TEST_F(HandlersTest, HealthFollowsTheStoreAndEndsWithTheDrain) {
  grpc::health::v1::HealthCheckRequest request;
  request.set_service("tracker.v1.TrackerService");
  const auto check = [&] {
    grpc::ByteBuffer bytes;
    EXPECT_TRUE(
        serving_.Raw("/grpc.health.v1.Health/Check", request.SerializeAsString(), &bytes).ok());
    grpc::health::v1::HealthCheckResponse response;
    EXPECT_FALSE(Parse(bytes, &response).has_value());
    return response.status();
  };
  using Response = grpc::health::v1::HealthCheckResponse;
  serving_.health().OnStore(true);
  EXPECT_EQ(check(), Response::SERVING);
  serving_.health().OnStore(false);
  EXPECT_EQ(check(), Response::NOT_SERVING);
  serving_.health().OnStore(true);
  EXPECT_EQ(check(), Response::SERVING);
  serving_.health().Drain();
  EXPECT_EQ(check(), Response::NOT_SERVING);
  serving_.health().OnStore(true);
  EXPECT_EQ(check(), Response::NOT_SERVING);
}

TEST(Overload, AFullQueueTellsWhenToComeAgain) {
  absl::Notification release;
  service::TrackerOptions options;
  options.lanes = 1;
  options.lane_queue_commands = 1;
  Serving serving(std::make_unique<StuckStore>(&release), options);
  // At most two of the six are in the store and in the queue; the others find no room.
  std::vector<std::thread> waiting;
  std::atomic<int> overloaded{0};
  std::atomic<bool> has_pushback{true};
  for (int i = 0; i < 6; ++i) {
    waiting.emplace_back([&, i] {
      grpc::ClientContext context;
      v1::CreateResponse response;
      const grpc::Status status =
          serving.stub().Create(&context, Named<v1::CreateRequest>(absl::StrCat(i)), &response);
      if (ReasonOf(status) != "OVERLOADED") return;
      EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
      EXPECT_TRUE(Find<google::rpc::RetryInfo>(status).has_value());
      if (context.GetServerTrailingMetadata().count(kPushbackTrailer) == 0) has_pushback = false;
      if (++overloaded == 4) release.Notify();
    });
  }
  for (std::thread& thread : waiting) thread.join();
  EXPECT_GE(overloaded, 4);
  EXPECT_TRUE(has_pushback);
}

TEST(Unavailable, AStoreThatIsGoneIsUnavailable) {
  absl::Notification release;
  release.Notify();
  Serving serving(std::make_unique<StuckStore>(&release));
  grpc::ClientContext get_context;
  v1::GetResponse got;
  const grpc::Status get = serving.stub().Get(&get_context, Named<v1::GetRequest>("1"), &got);
  EXPECT_EQ(get.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(get), "STORE_UNAVAILABLE");
  grpc::ClientContext count_context;
  v1::CountResponse counts;
  EXPECT_EQ(ReasonOf(serving.stub().Count(&count_context, v1::CountRequest(), &counts)),
            "STORE_UNAVAILABLE");
}

TEST(Cancellation, ACallThatIsGivenUpDoesNotHoldUpTheServer) {
  absl::Notification release;
  service::TrackerOptions options;
  options.lanes = 1;
  auto serving = std::make_unique<Serving>(std::make_unique<StuckStore>(&release), options);
  for (int i = 0; i < 20; ++i) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(20));
    v1::CreateResponse response;
    EXPECT_EQ(serving->stub()
                  .Create(&context, Named<v1::CreateRequest>(absl::StrCat(i)), &response)
                  .error_code(),
              grpc::StatusCode::DEADLINE_EXCEEDED);
  }
  release.Notify();
  serving.reset();
}

}  // namespace
}  // namespace tracker::server
