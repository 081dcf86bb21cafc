// Somebody's ALTER TABLE, or LOCK TABLE in psql, holds tables for some seconds: whatever is asked
// meanwhile is STORE_UNAVAILABLE, in no word of the database's, and the operator can read why.
#include <gtest/gtest.h>

#include <future>
#include <map>
#include <pqxx/pqxx>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "grpcpp/create_channel.h"
#include "tests/e2e/api.h"
#include "tests/e2e/world.h"

namespace tracker::e2e {
namespace {

constexpr absl::Duration kDeadline = absl::Seconds(60);

class TableLock : public ::testing::Test {
 protected:
  using Stub = v1::TrackerService::Stub;

  TableLock()
      : server_(world_.Serve(url_)),
        stub_(v1::TrackerService::NewStub(
            grpc::CreateChannel(server_.address(), grpc::InsecureChannelCredentials()))) {}

  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response = nullptr) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kDeadline));
    Response unused;
    return ((*stub_).*method)(&context, request, response != nullptr ? response : &unused);
  }

  // Calls it on a thread of its own, by this name.
  template <typename Request, typename Response>
  void Ask(const std::string& name,
           grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
           const Request& request) {
    asked_.emplace(name,
                   std::async(std::launch::async, [=, this] { return Call(method, request); }));
  }

  v1::BulkUpdateRequest Bulk() {
    v1::BulkUpdateRequest request;
    request.set_namespace_(kJobs);
    request.set_action(v1::BULK_ACTION_RESET);
    request.set_dry_run(true);
    return request;
  }

  World world_;
  const std::string url_ = world_.NewStore(Kind::kPostgres);
  testing::TrackerdProcess& server_;
  const std::unique_ptr<Stub> stub_;
  std::map<std::string, std::future<grpc::Status>> asked_;
};

TEST_F(TableLock, EveryCallIsUnavailableAndNoneTellsOfTheDatabase) {
  const std::string lock(32, 'a');
  Api api(server_.address());
  for (const char* id : {"held", "a"}) ASSERT_TRUE(api.Call(For<v1::CreateRequest>(id)).ok());
  ASSERT_TRUE(api.Call(StartOf("held", lock)).ok());

  std::future<grpc::Status> bulk;
  v1::BulkUpdateResponse last;
  {
    pqxx::connection connection(url_);
    pqxx::work stranger(connection);
    for (const char* table : {"task", "ready", "alarm", "idle", "claim", "task_count",
                              "attempt_count", "policy", "policy_gone", "meta"}) {
      stranger.exec(absl::StrCat("LOCK TABLE tracker.", table, " IN ACCESS EXCLUSIVE MODE"));
    }
    bulk = std::async(std::launch::async, [&] {
      grpc::ClientContext context;
      context.set_deadline(absl::ToChronoTime(absl::Now() + kDeadline));
      const auto reader = stub_->BulkUpdate(&context, Bulk());
      while (reader->Read(&last)) {
      }
      return reader->Finish();
    });
    Ask("Create", &Stub::Create, For<v1::CreateRequest>("b"));
    Ask("Start", &Stub::Start, StartOf("a", std::string(32, 'b')));
    Ask("Heartbeat", &Stub::Heartbeat, Held<v1::HeartbeatRequest>("held", lock));
    Ask("Succeed", &Stub::Succeed, Held<v1::SucceedRequest>("held", lock));
    Ask("Fail", &Stub::Fail, Held<v1::FailRequest>("held", lock));
    Ask("Release", &Stub::Release, Held<v1::ReleaseRequest>("held", lock));
    Ask("Ignore", &Stub::Ignore, For<v1::IgnoreRequest>("a"));
    Ask("Reset", &Stub::Reset, For<v1::ResetRequest>("a"));
    Ask("Delete", &Stub::Delete, For<v1::DeleteRequest>("a"));
    Ask("Get", &Stub::Get, For<v1::GetRequest>("a"));
    v1::ListRequest list;
    list.set_namespace_(kJobs);
    Ask("List", &Stub::List, list);
    Ask("Count", &Stub::Count, v1::CountRequest());
    v1::ClaimRequest claim;
    claim.set_namespace_(kJobs);
    Ask("Claim", &Stub::Claim, claim);
    SetDuration(absl::Seconds(30), claim.mutable_wait());
    claim.set_namespace_("waits");
    Ask("Claim with a wait", &Stub::Claim, claim);
    v1::SetPolicyRequest set;
    set.mutable_policy()->set_namespace_(kJobs);
    Ask("SetPolicy", &Stub::SetPolicy, set);
    v1::GetPolicyRequest get;
    get.set_namespace_(kJobs);
    Ask("GetPolicy", &Stub::GetPolicy, get);
    Ask("ListPolicies", &Stub::ListPolicies, v1::ListPoliciesRequest());
    v1::DeletePolicyRequest gone;
    gone.set_namespace_(kJobs);
    Ask("DeletePolicy", &Stub::DeletePolicy, gone);
    v1::GroupErrorsRequest groups;
    groups.set_namespace_(kJobs);
    Ask("GroupErrors", &Stub::GroupErrors, groups);
    for (auto& [name, answer] : asked_) {
      SCOPED_TRACE(name);
      const grpc::Status status = answer.get();
      EXPECT_EQ(VerdictOf(status), "STORE_UNAVAILABLE");
      EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
      for (const char* word : {"tracker.", "SELECT", "ERROR", "canceling", "lock timeout", "55P03",
                               "relation", "EXECUTE", "pqxx"}) {
        EXPECT_FALSE(absl::StrContains(status.error_message(), word)) << status.error_message();
        EXPECT_FALSE(absl::StrContains(status.error_details(), word)) << word;
      }
    }
    v1::BatchRequest batch;
    *batch.add_operations()->mutable_ignore() = For<v1::IgnoreRequest>("a");
    v1::BatchResponse results;
    ASSERT_TRUE(Call(&Stub::Batch, batch, &results).ok());
    EXPECT_EQ(RefusalOf(results.results(0).error()).reason, "STORE_UNAVAILABLE");
    EXPECT_FALSE(absl::StrContains(results.results(0).error().message(), "tracker."));
  }
  // A job waits for it to pass.
  const grpc::Status ended = bulk.get();
  EXPECT_TRUE(ended.ok()) << VerdictOf(ended);
  EXPECT_EQ(last.matched(), 2) << last.ShortDebugString();
  EXPECT_TRUE(absl::StrContains(server_.Log(), "database_error code=55P03")) << server_.Log();
}

// The role may read everything and write nothing: it must not look as if it served.
TEST_F(TableLock, ARoleThatMayOnlyReadDoesNotServeAndTheLogSaysWhy) {
  {
    pqxx::connection connection(url_);
    pqxx::nontransaction session(connection);
    session.exec(
        "CREATE ROLE only_reads LOGIN; GRANT USAGE ON SCHEMA tracker TO only_reads;"
        " GRANT SELECT ON ALL TABLES IN SCHEMA tracker TO only_reads");
  }
  std::string url = url_;
  url.replace(url.find("postgres@"), std::string("postgres").size(), "only_reads");
  testing::TrackerdProcess& reads = world_.Serve(url);
  EXPECT_TRUE(Await([&] { return absl::StrContains(reads.Log(), "store_unavailable reason="); }));
  EXPECT_TRUE(absl::StrContains(reads.Log(), "the role only_reads lacks")) << reads.Log();
  Api api(reads.address());
  EXPECT_FALSE(api.Serving());
  // What may change: the next ping finds it.
  pqxx::connection connection(url_);
  pqxx::nontransaction(connection)
      .exec("GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tracker TO only_reads");
  EXPECT_TRUE(Await([&] { return api.Serving(); }));
}

}  // namespace
}  // namespace tracker::e2e
