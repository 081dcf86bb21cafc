#include "server/encode.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "server/wire_time.h"
#include "src/base/limits.h"

namespace tracker::server {
namespace {

const absl::Time kNow = absl::FromUnixMicros(1'700'000'000'123'456);

domain::Task InProgress() {
  return {.key = {"jobs", "1"},
          .status = domain::Status::kInProgress,
          .attempts = 1,
          .fence = 7,
          .create_time = kNow - absl::Hours(1),
          .update_time = kNow,
          .available_time = kNow - absl::Hours(1),
          .worker = "w",
          .lock_time = kNow,
          .lock_expire_time = kNow + absl::Milliseconds(1500)};
}

v1::Task Encoded(const domain::Task& task, absl::Time now = kNow) {
  v1::Task out;
  EncodeTask(task, now, &out);
  return out;
}

TEST(EncodeTask, GivesStatusesTheirNumbersOnTheWire) {
  EXPECT_EQ(EncodeStatus(domain::Status::kPending), v1::STATUS_PENDING);
  EXPECT_EQ(EncodeStatus(domain::Status::kInProgress), v1::STATUS_IN_PROGRESS);
  EXPECT_EQ(EncodeStatus(domain::Status::kFailed), v1::STATUS_FAILED);
  EXPECT_EQ(EncodeStatus(domain::Status::kExhausted), v1::STATUS_EXHAUSTED);
  EXPECT_EQ(EncodeStatus(domain::Status::kSucceeded), v1::STATUS_SUCCEEDED);
  EXPECT_EQ(EncodeStatus(domain::Status::kIgnored), v1::STATUS_IGNORED);
}

TEST(EncodeTask, TellsWhatIsLeftOfTheLease) {
  const v1::Task task = Encoded(InProgress());
  EXPECT_EQ(task.lease_remaining().seconds(), 1);
  EXPECT_EQ(task.lease_remaining().nanos(), 500'000'000);
  EXPECT_EQ(task.lock_expire_time().seconds(), 1'700'000'001);
  EXPECT_EQ(Encoded(InProgress(), kNow + absl::Hours(1)).lease_remaining().seconds(), 0);
}

TEST(EncodeTask, ShowsALeaseOnlyWhileInProgress) {
  domain::Task task = InProgress();
  task.status = domain::Status::kSucceeded;
  task.lock_expire_time = absl::UnixEpoch();
  EXPECT_FALSE(Encoded(task).has_lock_expire_time());
  EXPECT_FALSE(Encoded(task).has_lease_remaining());
  EXPECT_TRUE(Encoded(task).has_lock_time());
  task.lock_time = absl::UnixEpoch();
  EXPECT_FALSE(Encoded(task).has_lock_time());
}

TEST(EncodeTask, ShowsTheLockOnlyWhereTheTaskHasOne) {
  domain::Task task = InProgress();
  EXPECT_EQ(Encoded(task).lock(), "");
  task.lock = "0123456789abcdef0123456789abcdef";
  EXPECT_EQ(Encoded(task).lock(), task.lock);
}

TEST(EncodeTask, ShowsTheAttemptsThatHold) {
  domain::Task task = InProgress();
  EXPECT_EQ(Encoded(task).max_attempts(), limits::kDefaultMaxAttempts);
  task.max_attempts = 9;
  EXPECT_EQ(Encoded(task).max_attempts(), 9);
}

TEST(EncodePayload, FailsOnDataThatIsNoObject) {
  domain::Task task = InProgress();
  task.data = "nonsense";
  v1::Task out;
  EXPECT_EQ(EncodePayload(task, &out).code(), absl::StatusCode::kDataLoss);
}

// JSON numbers of two bytes become eleven on the wire.
TEST(EncodeList, StaysWithinAnAnswerHoweverTheDataGrows) {
  domain::Task task = InProgress();
  task.data = R"({"l":[1)";
  while (task.data.size() < 250'000) task.data += ",1";
  task.data += "]}";
  service::ListAnswer answer{.now = kNow};
  for (int i = 0; i < 4; ++i) {
    task.key.id = absl::StrCat(i);
    answer.tasks.push_back(task);
  }
  v1::ListResponse page;
  ASSERT_TRUE(EncodeList(answer, &page).ok());
  EXPECT_LT(page.ByteSizeLong(), limits::kAnswerBytes);
  EXPECT_TRUE(page.tasks(0).has_data());
  EXPECT_FALSE(page.tasks(0).truncated());
  EXPECT_TRUE(page.tasks(3).truncated());
  EXPECT_FALSE(page.tasks(3).has_data());
}

TEST(WireTime, GoesBothWays) {
  for (const absl::Duration duration :
       {absl::ZeroDuration(), absl::Microseconds(1), absl::Seconds(-1) - absl::Milliseconds(1)}) {
    google::protobuf::Duration proto;
    ToProto(duration, &proto);
    EXPECT_EQ(*FromProto(proto), duration);
  }
  for (const absl::Time time :
       {absl::UnixEpoch(), kNow, absl::UnixEpoch() - absl::Microseconds(1)}) {
    google::protobuf::Timestamp proto;
    ToProto(time, &proto);
    EXPECT_EQ(*FromProto(proto), time);
  }
}

}  // namespace
}  // namespace tracker::server
