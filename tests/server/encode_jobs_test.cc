// Claims, policies and jobs as answers.
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "server/encode.h"
#include "src/base/limits.h"

namespace tracker::server {
namespace {

const absl::Time kNow = absl::FromUnixMicros(1'700'000'000'123'456);

domain::Task Claimed(const std::string& id, std::string data = "") {
  return {.key = {"jobs", id},
          .status = domain::Status::kInProgress,
          .attempts = 1,
          .max_attempts = 5,
          .fence = 7,
          .create_time = kNow,
          .update_time = kNow,
          .available_time = kNow,
          .lock = "0123456789abcdef0123456789abcdef",
          .lock_time = kNow,
          .lock_expire_time = kNow + absl::Seconds(30),
          .data = std::move(data)};
}

// JSON numbers of two bytes become eleven on the wire.
std::string GrowingData() {
  std::string data = R"({"l":[1)";
  while (data.size() < 250'000) data += ",1";
  return data + "]}";
}

TEST(EncodeClaim, ShowsEachTaskWithItsLockAndData) {
  v1::ClaimResponse response;
  const auto left_over = EncodeClaim(
      {.tasks = {Claimed("a", R"({"pages":3})"), Claimed("b")}, .now = kNow}, &response);
  ASSERT_TRUE(left_over.ok());
  EXPECT_TRUE(left_over->empty());
  ASSERT_EQ(response.tasks_size(), 2);
  EXPECT_EQ(response.tasks(0).lock(), "0123456789abcdef0123456789abcdef");
  EXPECT_EQ(response.tasks(0).data().fields().at("pages").number_value(), 3);
  EXPECT_EQ(response.tasks(1).id(), "b");
  EXPECT_EQ(response.tasks(1).max_attempts(), 5);
}

TEST(EncodeClaim, WhatFindsNoRoomIsLeftOver) {
  service::ClaimResult result{.now = kNow};
  for (int i = 0; i < 6; ++i) result.tasks.push_back(Claimed(absl::StrCat(i), GrowingData()));
  v1::ClaimResponse response;
  const auto left_over = EncodeClaim(std::move(result), &response);
  ASSERT_TRUE(left_over.ok());
  EXPECT_LE(response.ByteSizeLong(), limits::kAnswerBytes);
  ASSERT_GE(response.tasks_size(), 1);
  ASSERT_EQ(response.tasks_size() + left_over->size(), 6u);
  EXPECT_FALSE(response.tasks(0).truncated());
  // They are the last ones, with the lock that gives them back.
  EXPECT_EQ(left_over->front().key.id, absl::StrCat(response.tasks_size()));
  EXPECT_FALSE(left_over->front().lock.empty());
}

TEST(EncodeClaim, DataThatCannotBeReadIsDataLoss) {
  v1::ClaimResponse response;
  EXPECT_EQ(
      EncodeClaim({.tasks = {Claimed("a", "{broken")}, .now = kNow}, &response).status().code(),
      absl::StatusCode::kDataLoss);
}

TEST(EncodeTask, NumberOfAttemptsFallsBackToTheDefault) {
  domain::Task task = Claimed("a");
  v1::Task out;
  EncodeTask(task, kNow, &out);
  EXPECT_EQ(out.max_attempts(), 5);
  task.max_attempts = 0;
  EncodeTask(task, kNow, &out);
  EXPECT_EQ(out.max_attempts(), 3);
}

TEST(EncodePolicy, DefaultsComeBackExplicit) {
  v1::Policy out;
  EncodePolicy({.name_space = "jobs"}, &out);
  EXPECT_EQ(out.lease().seconds(), 900);
  EXPECT_EQ(out.max_attempts(), 3);
  EXPECT_TRUE(out.backoff().has_initial());
  EXPECT_EQ(out.backoff().multiplier(), 2);
  EXPECT_EQ(out.backoff().max().seconds(), 3600);
  EXPECT_FALSE(out.has_retention());
  EXPECT_FALSE(out.has_pause_on_failure());
  EXPECT_FALSE(out.has_update_time());
}

TEST(EncodePolicy, ShowsAllThatHolds) {
  v1::Policy out;
  EncodePolicy({.name_space = "jobs",
                .retention = absl::Hours(1),
                .paused = true,
                .pause_reason = "why",
                .pause_on_failure = domain::PauseOnFailure{0.9, absl::Seconds(30), 5},
                .update_time = kNow},
               &out);
  EXPECT_EQ(out.retention().seconds(), 3600);
  EXPECT_TRUE(out.paused());
  EXPECT_EQ(out.pause_reason(), "why");
  EXPECT_EQ(out.pause_on_failure().share(), 0.9);
  EXPECT_EQ(out.pause_on_failure().window().seconds(), 30);
  EXPECT_EQ(out.pause_on_failure().min_attempts(), 5);
  EXPECT_EQ(out.update_time().seconds(), 1'700'000'000);
}

TEST(EncodeGroups, FingerprintsCanBeAskedForAgain) {
  v1::GroupErrorsResponse out;
  EncodeGroups({.groups = {{.fingerprint = 0xab,
                            .count = 12,
                            .first = kNow - absl::Hours(1),
                            .last = kNow,
                            .id = "a",
                            .message = "boom 7"}},
                .scanned = 20,
                .truncated = true},
               &out);
  ASSERT_EQ(out.groups_size(), 1);
  EXPECT_EQ(out.groups(0).fingerprint(), "00000000000000ab");
  EXPECT_EQ(out.groups(0).count(), 12);
  EXPECT_EQ(out.groups(0).example(), "boom 7");
  EXPECT_EQ(out.groups(0).example_id(), "a");
  EXPECT_LT(out.groups(0).first_time().seconds(), out.groups(0).last_time().seconds());
  EXPECT_EQ(out.scanned(), 20);
  EXPECT_TRUE(out.truncated());
}

TEST(EncodeProgress, EachJobHasItsWords) {
  const service::JobProgress progress{
      .scanned = 5, .matched = 4, .updated = 3, .skipped = 1, .total = 9};
  v1::BulkUpdateResponse bulk;
  EncodeProgress(progress, &bulk);
  EXPECT_EQ(bulk.scanned(), 5);
  EXPECT_EQ(bulk.matched(), 4);
  EXPECT_EQ(bulk.updated(), 3);
  EXPECT_EQ(bulk.skipped(), 1);
  EXPECT_EQ(bulk.total(), 9);
  EXPECT_FALSE(bulk.done());
  v1::ExpireResponse expire;
  EncodeProgress(progress, &expire);
  EXPECT_EQ(expire.found(), 4);
  EXPECT_EQ(expire.ended(), 3);
  v1::PurgeResponse purge;
  EncodeProgress(progress, &purge);
  EXPECT_EQ(purge.scanned(), 5);
  EXPECT_EQ(purge.found(), 4);
  EXPECT_EQ(purge.deleted(), 3);
}

TEST(EncodeCheck, ShowsWhatIsWrong) {
  v1::CheckCountsResponse out;
  EncodeCheck({.tasks = 8, .mismatches = {{"jobs", domain::Status::kPending, 3, 2}}}, &out);
  EXPECT_EQ(out.tasks(), 8);
  ASSERT_EQ(out.mismatches_size(), 1);
  EXPECT_EQ(out.mismatches(0).status(), v1::STATUS_PENDING);
  EXPECT_EQ(out.mismatches(0).counted(), 3);
  EXPECT_EQ(out.mismatches(0).actual(), 2);
}

TEST(EncodeJobs, ReportsHaveEachKindOfFault) {
  const store::CheckReport report = {
      .scanned = 9,
      .total = 10,
      .repaired = 3,
      .skipped = 1,
      .findings = {{"ready", store::Fault::kOrphan, 2, {"jobs/a", "jobs/b"}},
                   {"file", store::Fault::kDamage, 1, {"page 3"}}}};
  v1::CheckResponse check;
  EncodeReport(report, &check);
  EXPECT_EQ(check.scanned(), 9);
  EXPECT_EQ(check.total(), 10);
  ASSERT_EQ(check.findings_size(), 2);
  EXPECT_EQ(check.findings(0).table(), "ready");
  EXPECT_EQ(check.findings(0).fault(), v1::FAULT_ORPHAN);
  EXPECT_EQ(check.findings(0).count(), 2);
  EXPECT_EQ(check.findings(0).examples(1), "jobs/b");
  EXPECT_EQ(check.findings(1).fault(), v1::FAULT_DAMAGE);
  EXPECT_FALSE(check.done());
  v1::RepairResponse repair;
  EncodeReport(report, &repair);
  EXPECT_EQ(repair.findings_size(), 2);
  EXPECT_EQ(repair.repaired(), 3);
  EXPECT_EQ(repair.skipped(), 1);
}

}  // namespace
}  // namespace tracker::server
