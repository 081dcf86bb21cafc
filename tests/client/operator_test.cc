// The operator's client against a gRPC server in this process that plays trackerd.
#include "tracker/operator.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <map>
#include <mutex>

#include "absl/synchronization/notification.h"
#include "tracker/v1/tracker.grpc.pb.h"

namespace tracker::testing {
namespace {

grpc::Status Unavailable() { return {grpc::StatusCode::UNAVAILABLE, "not now"}; }

// Keeps policies, and plays a bulk update as the test wants it.
class Tracker final : public v1::TrackerService::Service {
 public:
  grpc::Status SetPolicy(grpc::ServerContext*, const v1::SetPolicyRequest* request,
                         v1::SetPolicyResponse* response) override {
    std::lock_guard lock(mutex);
    policies[request->policy().namespace_()] = request->policy();
    *response->mutable_policy() = request->policy();
    response->mutable_policy()->mutable_update_time()->set_seconds(1000);
    return grpc::Status::OK;
  }
  grpc::Status GetPolicy(grpc::ServerContext*, const v1::GetPolicyRequest* request,
                         v1::GetPolicyResponse* response) override {
    if (++gets == 1) return Unavailable();
    std::lock_guard lock(mutex);
    *response->mutable_policy() = policies[request->namespace_()];
    return grpc::Status::OK;
  }
  // In pages of two; a token is the name that a page ended at.
  grpc::Status ListPolicies(grpc::ServerContext*, const v1::ListPoliciesRequest* request,
                            v1::ListPoliciesResponse* response) override {
    std::lock_guard lock(mutex);
    for (auto next = policies.upper_bound(request->page_token()); next != policies.end(); ++next) {
      if (response->policies_size() == 2) {
        response->set_next_page_token(response->policies(1).namespace_());
        break;
      }
      *response->add_policies() = next->second;
    }
    return grpc::Status::OK;
  }
  grpc::Status DeletePolicy(grpc::ServerContext*, const v1::DeletePolicyRequest* request,
                            v1::DeletePolicyResponse*) override {
    std::lock_guard lock(mutex);
    policies.erase(request->namespace_());
    return grpc::Status::OK;
  }
  grpc::Status GroupErrors(grpc::ServerContext*, const v1::GroupErrorsRequest* request,
                           v1::GroupErrorsResponse* response) override {
    v1::ErrorGroup* group = response->add_groups();
    group->set_fingerprint("00000000000000ab");
    group->set_count(request->limit());
    group->mutable_last_time()->set_seconds(5);
    group->set_example("boom");
    response->set_truncated(true);
    return grpc::Status::OK;
  }
  grpc::Status BulkUpdate(grpc::ServerContext* context, const v1::BulkUpdateRequest* request,
                          grpc::ServerWriter<v1::BulkUpdateResponse>* writer) override {
    ++jobs;
    asked = *request;
    return job(context, writer);
  }

  std::mutex mutex;
  std::map<std::string, v1::Policy> policies;
  std::atomic<int> gets = 0, jobs = 0;
  v1::BulkUpdateRequest asked;
  std::function<grpc::Status(grpc::ServerContext*, grpc::ServerWriter<v1::BulkUpdateResponse>*)>
      job;
};

class Admin final : public v1::AdminService::Service {
 public:
  grpc::Status Purge(grpc::ServerContext*, const v1::PurgeRequest* request,
                     grpc::ServerWriter<v1::PurgeResponse>* writer) override {
    v1::PurgeResponse last;
    last.set_found(request->dry_run() ? 7 : 0);
    last.set_done(true);
    writer->Write(last);
    return grpc::Status::OK;
  }
  grpc::Status Expire(grpc::ServerContext*, const v1::ExpireRequest*,
                      grpc::ServerWriter<v1::ExpireResponse>* writer) override {
    v1::ExpireResponse last;
    last.set_ended(3);
    last.set_done(true);
    writer->Write(last);
    return grpc::Status::OK;
  }
  grpc::Status Check(grpc::ServerContext*, const v1::CheckRequest*,
                     grpc::ServerWriter<v1::CheckResponse>* writer) override {
    v1::CheckResponse response;
    response.set_scanned(4);
    writer->Write(response);
    v1::Finding* finding = response.add_findings();
    finding->set_table("ready");
    finding->set_fault(v1::FAULT_ORPHAN);
    finding->set_count(2);
    finding->add_examples("jobs/a");
    response.set_done(true);
    writer->Write(response);
    return grpc::Status::OK;
  }
  grpc::Status Repair(grpc::ServerContext*, const v1::RepairRequest*,
                      grpc::ServerWriter<v1::RepairResponse>* writer) override {
    v1::RepairResponse last;
    last.set_repaired(5);
    last.set_skipped(1);
    last.set_done(true);
    writer->Write(last);
    return grpc::Status::OK;
  }
  grpc::Status CheckCounts(grpc::ServerContext*, const v1::CheckCountsRequest*,
                           v1::CheckCountsResponse* response) override {
    response->set_tasks(9);
    v1::CountMismatch* mismatch = response->add_mismatches();
    mismatch->set_namespace_("jobs");
    mismatch->set_status(v1::STATUS_FAILED);
    mismatch->set_counted(2);
    mismatch->set_actual(1);
    return grpc::Status::OK;
  }
};

class OperatorTest : public ::testing::Test {
 protected:
  OperatorTest() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&tracker_);
    builder.RegisterService(&admin_);
    server_ = builder.BuildAndStart();
    ClientOptions options;
    options.deadline = absl::Seconds(10);
    ops_ = Operator::Connect("127.0.0.1:" + std::to_string(port), options);
  }
  ~OperatorTest() override { server_->Shutdown(std::chrono::system_clock::now()); }

  static v1::BulkUpdateResponse Updated(int64_t count) {
    v1::BulkUpdateResponse response;
    response.set_scanned(2 * count);
    response.set_matched(count);
    response.set_updated(count);
    response.set_total(100);
    return response;
  }

  Tracker tracker_;
  Admin admin_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<Operator> ops_;
};

TEST_F(OperatorTest, PolicyComesBackAsItWasSet) {
  Policy policy{.name_space = "jobs",
                .lease = absl::Seconds(90),
                .max_attempts = 7,
                .backoff = {absl::Seconds(1), 3, absl::Minutes(1), 0.5},
                .retention = absl::Hours(24),
                .paused = true,
                .pause_reason = "the bank is closed",
                .pause_on_failure = PauseOnFailure{0.9, absl::Seconds(30), 5}};
  const auto set = ops_->SetPolicy(policy);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->update_time, absl::FromUnixSeconds(1000));
  const auto got = ops_->GetPolicy("jobs");
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(tracker_.gets, 2) << "what was unavailable is asked again";
  EXPECT_EQ(got->lease, policy.lease);
  EXPECT_EQ(got->max_attempts, 7);
  EXPECT_EQ(got->backoff.initial, absl::Seconds(1));
  EXPECT_EQ(got->backoff.multiplier, 3);
  EXPECT_EQ(got->backoff.max, absl::Minutes(1));
  EXPECT_EQ(got->backoff.jitter, 0.5);
  EXPECT_EQ(got->retention, absl::Hours(24));
  EXPECT_TRUE(got->paused);
  EXPECT_EQ(got->pause_reason, "the bank is closed");
  ASSERT_TRUE(got->pause_on_failure);
  EXPECT_EQ(got->pause_on_failure->share, 0.9);
  EXPECT_EQ(got->pause_on_failure->window, absl::Seconds(30));
  EXPECT_EQ(got->pause_on_failure->min_attempts, 5);
  EXPECT_EQ(ops_->ListPolicies()->size(), 1u);
  EXPECT_TRUE(ops_->DeletePolicy("jobs").ok());
  EXPECT_EQ(ops_->ListPolicies()->size(), 0u);
}

TEST_F(OperatorTest, ListsThePoliciesOfAllPages) {
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    ASSERT_TRUE(ops_->SetPolicy({.name_space = name}).ok());
  }
  const auto policies = ops_->ListPolicies();
  ASSERT_TRUE(policies.ok()) << policies.status();
  std::string names;
  for (const Policy& policy : *policies) names += policy.name_space;
  EXPECT_EQ(names, "abcde");
}

TEST_F(OperatorTest, JobTellsHowFarItIs) {
  tracker_.job = [](auto*, auto* writer) {
    for (const int64_t count : {0, 10, 50}) writer->Write(Updated(count));
    return grpc::Status::OK;
  };
  std::vector<int64_t> heard;
  const auto done =
      ops_->BulkUpdate({.name_space = "jobs",
                        .action = BulkAction::kDelete,
                        .statuses = {TaskStatus::kFailed},
                        .id_prefix = "a",
                        .worker = "w",
                        .error_text = "timeout",
                        .error_fingerprint = "00000000000000ab",
                        .dry_run = true,
                        .max_per_second = 5,
                        .force = true},
                       [&](const JobProgress& progress) { heard.push_back(progress.updated); });
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(heard, (std::vector<int64_t>{0, 10, 50}));
  EXPECT_EQ(done->scanned, 100);
  EXPECT_EQ(done->total, 100);
  const v1::BulkUpdateRequest& asked = tracker_.asked;
  EXPECT_EQ(asked.action(), v1::BULK_ACTION_DELETE);
  EXPECT_EQ(asked.statuses(0), v1::STATUS_FAILED);
  EXPECT_EQ(asked.id_prefix(), "a");
  EXPECT_EQ(asked.worker(), "w");
  EXPECT_EQ(asked.error_text(), "timeout");
  EXPECT_EQ(asked.error_fingerprint(), "00000000000000ab");
  EXPECT_TRUE(asked.dry_run());
  EXPECT_EQ(asked.max_per_second(), 5);
  EXPECT_TRUE(asked.force());
}

TEST_F(OperatorTest, JobIsRepeatedUntilItsFirstSignOfLife) {
  tracker_.job = [this](auto*, auto* writer) {
    if (tracker_.jobs < 3) return Unavailable();
    writer->Write(Updated(1));
    return grpc::Status::OK;
  };
  EXPECT_EQ(ops_->BulkUpdate({.name_space = "jobs"})->updated, 1);
  EXPECT_EQ(tracker_.jobs, 3);
}

TEST_F(OperatorTest, JobThatBreaksOffIsNotRepeated) {
  tracker_.job = [](auto*, auto* writer) {
    writer->Write(Updated(1));
    return Unavailable();
  };
  EXPECT_TRUE(absl::IsUnavailable(ops_->BulkUpdate({.name_space = "jobs"}).status()));
  EXPECT_EQ(tracker_.jobs, 1);
}

TEST_F(OperatorTest, JobIsStoppedOnTheServer) {
  absl::Notification stopped;
  tracker_.job = [&](grpc::ServerContext* context, auto* writer) {
    while (!context->IsCancelled()) writer->Write(Updated(1));
    stopped.Notify();
    return grpc::Status::CANCELLED;
  };
  std::stop_source stop;
  const auto done = ops_->BulkUpdate(
      {.name_space = "jobs"}, [&](const JobProgress&) { stop.request_stop(); }, stop.get_token());
  EXPECT_TRUE(absl::IsCancelled(done.status())) << done.status();
  EXPECT_TRUE(stopped.WaitForNotificationWithTimeout(absl::Seconds(10)));
}

TEST_F(OperatorTest, AdminIsAskedByItsOwnService) {
  EXPECT_EQ(ops_->Purge("jobs", true)->matched, 7);
  EXPECT_EQ(ops_->Expire(false)->updated, 3);
  const auto check = ops_->CheckCounts();
  ASSERT_TRUE(check.ok()) << check.status();
  EXPECT_EQ(check->tasks, 9);
  ASSERT_EQ(check->mismatches.size(), 1u);
  EXPECT_EQ(check->mismatches[0].status, TaskStatus::kFailed);
  EXPECT_EQ(check->mismatches[0].counted, 2);
  EXPECT_EQ(check->mismatches[0].actual, 1);
}

TEST_F(OperatorTest, ACheckTellsWhatItFindsAndARepairWhatItDid) {
  int told = 0;
  const auto check = ops_->Check([&](const CheckReport& report) { told += report.scanned == 4; });
  ASSERT_TRUE(check.ok()) << check.status();
  EXPECT_EQ(told, 2);
  ASSERT_EQ(check->findings.size(), 1u);
  EXPECT_EQ(check->findings[0].table, "ready");
  EXPECT_EQ(check->findings[0].fault, Fault::kOrphan);
  EXPECT_EQ(check->findings[0].count, 2);
  EXPECT_EQ(check->findings[0].examples, std::vector<std::string>{"jobs/a"});
  const auto repair = ops_->Repair();
  ASSERT_TRUE(repair.ok()) << repair.status();
  EXPECT_EQ(repair->repaired, 5);
  EXPECT_EQ(repair->skipped, 1);
}

TEST_F(OperatorTest, ErrorsComeInGroups) {
  const auto groups = ops_->GroupErrors("jobs", {TaskStatus::kFailed}, 4);
  ASSERT_TRUE(groups.ok()) << groups.status();
  ASSERT_EQ(groups->groups.size(), 1u);
  EXPECT_EQ(groups->groups[0].count, 4);
  EXPECT_EQ(groups->groups[0].fingerprint, "00000000000000ab");
  EXPECT_EQ(groups->groups[0].last_time, absl::FromUnixSeconds(5));
  EXPECT_TRUE(groups->truncated);
}

TEST_F(OperatorTest, TextsThatAreNotUtf8AreRefusedBeforeSending) {
  EXPECT_TRUE(absl::IsInvalidArgument(ops_->GetPolicy("\xff").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ops_->SetPolicy({.pause_reason = "\xff"}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      ops_->BulkUpdate({.name_space = "jobs", .error_text = "\xff"}).status()));
  EXPECT_EQ(tracker_.jobs, 0);
}

TEST(Operator, WrongAddressIsSaidByEachCall) {
  const auto ops = Operator::Connect("");
  EXPECT_TRUE(absl::IsInvalidArgument(ops->GetPolicy("jobs").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ops->Expire(true).status()));
}

}  // namespace
}  // namespace tracker::testing
