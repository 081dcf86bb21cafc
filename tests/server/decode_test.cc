#include "server/decode.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "src/base/token.h"

namespace tracker::server {
namespace {

constexpr char kLock[] = "0123456789abcdef0123456789ABCDEF";
constexpr char kLockLower[] = "0123456789abcdef0123456789abcdef";

// One wrong request and the one field that is to be named.
template <typename Request>
std::vector<std::string> FieldsOf(const Request& request) {
  FieldErrors errors;
  Decode(request, errors);
  std::vector<std::string> fields;
  for (const FieldError& error : errors.list()) fields.push_back(error.field);
  return fields;
}

using Fields = std::vector<std::string>;

v1::StartRequest GoodStart() {
  v1::StartRequest request;
  request.set_namespace_("jobs/nightly");
  request.set_id("2026-001");
  return request;
}

v1::FailRequest GoodFail() {
  v1::FailRequest request;
  request.set_namespace_("jobs");
  request.set_id("1");
  request.set_lock(kLock);
  return request;
}

Fields WithId(const std::string& id) {
  v1::StartRequest request = GoodStart();
  request.set_id(id);
  return FieldsOf(request);
}

Fields WithLease(int64_t seconds, int32_t nanos) {
  v1::StartRequest request = GoodStart();
  request.mutable_lease()->set_seconds(seconds);
  request.mutable_lease()->set_nanos(nanos);
  return FieldsOf(request);
}

TEST(Decode, TakesEveryIdWithinTheLimits) {
  const std::string utf8_512 = std::string(510, 'x') + "é";
  for (const std::string& id :
       {std::string("'"), std::string("\"{}\\%_'; drop table--"), std::string(512, 'x'), utf8_512,
        std::string("日本語"), std::string("a/b c")})
    EXPECT_EQ(WithId(id), Fields{}) << id;
}

TEST(Decode, RefusesIdsBeyondTheLimits) {
  for (const std::string& id : {std::string(), std::string(513, 'x'), std::string("a\0b", 3),
                                std::string("a\nb"), std::string("\x7F"), std::string("\xC3\x28"),
                                std::string("\xED\xA0\x80"), std::string("\xC2\x80")})
    EXPECT_EQ(WithId(id), Fields{"id"}) << id;
}

TEST(Decode, RefusesNamespacesBeyondTheLimits) {
  for (const std::string& name_space : {std::string(), std::string(129, 'x'), std::string("a b"),
                                        std::string("ä"), std::string("a\0", 2)}) {
    v1::StartRequest request = GoodStart();
    request.set_namespace_(name_space);
    EXPECT_EQ(FieldsOf(request), Fields{"namespace"}) << name_space;
  }
}

TEST(Decode, ChecksLeases) {
  EXPECT_EQ(WithLease(0, 100'000'000), Fields{});
  EXPECT_EQ(WithLease(86400, 0), Fields{});
  EXPECT_EQ(WithLease(0, 99'999'999), Fields{"lease"});
  EXPECT_EQ(WithLease(86400, 1), Fields{"lease"});
  EXPECT_EQ(WithLease(0, 0), Fields{"lease"});
  EXPECT_EQ(WithLease(-60, 0), Fields{"lease"});
  EXPECT_EQ(WithLease(1, -1), Fields{"lease"});
  EXPECT_EQ(WithLease(-1, 1), Fields{"lease"});
  EXPECT_EQ(WithLease(1, 1'000'000'000), Fields{"lease"});
  EXPECT_EQ(WithLease(INT64_MAX, 0), Fields{"lease"});
  EXPECT_EQ(WithLease(INT64_MIN, INT32_MIN), Fields{"lease"});
}

TEST(Decode, NamesEveryFieldThatIsWrong) {
  v1::FailRequest request;
  request.set_namespace_("a b");
  request.set_lock("secret");
  request.set_message(std::string("m\0", 2));
  request.set_traceback("\xFF");
  request.mutable_retry_delay()->set_seconds(-1);
  (*request.mutable_data()->mutable_fields())["k"].set_string_value(std::string(300 * 1024, 'x'));
  EXPECT_EQ(FieldsOf(request),
            (Fields{"namespace", "id", "lock", "message", "traceback", "retry_delay", "data"}));
}

TEST(Decode, NeverRepeatsALockInAnError) {
  v1::FailRequest request = GoodFail();
  request.set_lock("0123456789abcdef-slip");
  FieldErrors errors;
  Decode(request, errors);
  ASSERT_EQ(errors.list().size(), 1u);
  EXPECT_EQ(errors.list()[0].description.find("0123"), std::string::npos);
}

TEST(Decode, MakesALockForAStartWithoutOne) {
  FieldErrors errors;
  const domain::Command first = Decode(GoodStart(), errors);
  const domain::Command second = Decode(GoodStart(), errors);
  EXPECT_TRUE(errors.empty());
  EXPECT_TRUE(ParseLockToken(first.token).has_value());
  EXPECT_NE(first.token, second.token);
}

TEST(Decode, TakesTheLockOfAStartInItsCanonicalForm) {
  v1::StartRequest request = GoodStart();
  request.set_lock("01234567-89AB-cdef-0123-456789abcdef");
  FieldErrors errors;
  EXPECT_EQ(Decode(request, errors).token, kLockLower);
}

TEST(Decode, RequiresALockWhereOneMustBeHeld) {
  v1::HeartbeatRequest heartbeat;
  heartbeat.set_namespace_("n");
  heartbeat.set_id("1");
  EXPECT_EQ(FieldsOf(heartbeat), Fields{"lock"});
  v1::SucceedRequest succeed;
  succeed.set_namespace_("n");
  succeed.set_id("1");
  EXPECT_EQ(FieldsOf(succeed), Fields{"lock"});
  v1::FailRequest fail = GoodFail();
  fail.clear_lock();
  EXPECT_EQ(FieldsOf(fail), Fields{"lock"});
  v1::ReleaseRequest release;
  release.set_namespace_("n");
  release.set_id("1");
  EXPECT_EQ(FieldsOf(release), Fields{"lock"});
}

TEST(Decode, KeepsTheDataOfAFailureOnlyWhenAsked) {
  v1::FailRequest request = GoodFail();
  (*request.mutable_data()->mutable_fields())["k"].set_bool_value(true);
  FieldErrors errors;
  EXPECT_FALSE(std::get<domain::Fail>(Decode(request, errors).action).data.has_value());
  request.set_keep_data(true);
  EXPECT_EQ(std::get<domain::Fail>(Decode(request, errors).action).data, R"({"k":true})");
  EXPECT_TRUE(errors.empty());
}

TEST(Decode, LeavesUnsetDataAlone) {
  v1::SucceedRequest request;
  request.set_namespace_("n");
  request.set_id("1");
  request.set_lock(kLock);
  FieldErrors errors;
  EXPECT_FALSE(std::get<domain::Succeed>(Decode(request, errors).action).data.has_value());
  request.mutable_data();
  EXPECT_EQ(std::get<domain::Succeed>(Decode(request, errors).action).data, "{}");
}

TEST(Decode, ChecksTheTimesAndNumbersOfACreate) {
  v1::CreateRequest request;
  request.set_namespace_("n");
  request.set_id("1");
  request.mutable_available_time()->set_seconds(absl::ToUnixSeconds(absl::Now()) + 60);
  request.set_max_attempts(1000);
  EXPECT_EQ(FieldsOf(request), Fields{});
  request.set_max_attempts(1001);
  request.mutable_available_time()->set_nanos(-1);
  EXPECT_EQ(FieldsOf(request), (Fields{"available_time", "max_attempts"}));
  request.set_max_attempts(-1);
  request.mutable_available_time()->set_nanos(0);
  request.mutable_available_time()->set_seconds(253'402'300'799);
  EXPECT_EQ(FieldsOf(request), (Fields{"available_time", "max_attempts"}));
  request.mutable_available_time()->set_seconds(INT64_MAX);
  EXPECT_EQ(FieldsOf(request), (Fields{"available_time", "max_attempts"}));
}

TEST(Decode, ChecksTheDelayOfARelease) {
  v1::ReleaseRequest request;
  request.set_namespace_("n");
  request.set_id("1");
  request.set_lock(kLock);
  request.mutable_delay()->set_seconds(30 * 86400);
  EXPECT_EQ(FieldsOf(request), Fields{});
  request.mutable_delay()->set_nanos(1);
  EXPECT_EQ(FieldsOf(request), Fields{"delay"});
}

TEST(Decode, RoundsDurationsDownToMicroseconds) {
  v1::StartRequest request = GoodStart();
  request.mutable_lease()->set_seconds(1);
  request.mutable_lease()->set_nanos(1'999);
  FieldErrors errors;
  EXPECT_EQ(std::get<domain::Start>(Decode(request, errors).action).lease,
            absl::Seconds(1) + absl::Microseconds(1));
}

TEST(Decode, ChecksWorkers) {
  v1::StartRequest request = GoodStart();
  request.set_worker(std::string(256, 'w'));
  EXPECT_EQ(FieldsOf(request), Fields{});
  request.set_worker(std::string(257, 'w'));
  EXPECT_EQ(FieldsOf(request), Fields{"worker"});
}

TEST(Decode, ChecksAList) {
  v1::ListRequest request;
  request.set_namespace_("n");
  FieldErrors errors;
  EXPECT_EQ(Decode(request, errors).query.limit, 100);
  EXPECT_TRUE(errors.empty());
  request.add_statuses(v1::STATUS_PENDING);
  request.add_statuses(v1::STATUS_UNSPECIFIED);
  request.add_statuses(static_cast<v1::Status>(7));
  request.set_order(static_cast<v1::Order>(9));
  request.set_page_size(1001);
  request.set_page_token(std::string(5000, 't'));
  request.set_id_prefix("a\n");
  request.set_worker("\xFF");
  EXPECT_EQ(FieldsOf(request), (Fields{"id_prefix", "worker", "statuses[1]", "statuses[2]",
                                       "page_token", "order", "page_size"}));
}

TEST(Decode, ReadsStatusesOnce) {
  v1::ListRequest request;
  request.set_namespace_("n");
  for (int i = 0; i < 3; ++i) {
    request.add_statuses(v1::STATUS_PENDING);
    request.add_statuses(v1::STATUS_SUCCEEDED);
  }
  FieldErrors errors;
  EXPECT_EQ(Decode(request, errors).query.statuses,
            (std::vector<domain::Status>{domain::Status::kPending, domain::Status::kSucceeded}));
}

TEST(DecodeOperation, NamesFieldsFromTheBatchsRoot) {
  v1::Operation operation;
  *operation.mutable_start() = GoodStart();
  operation.mutable_start()->mutable_lease()->set_seconds(-1);
  std::vector<FieldError> errors;
  DecodeOperation(operation, 3, errors);
  DecodeOperation(v1::Operation(), 4, errors);
  ASSERT_EQ(errors.size(), 2u);
  EXPECT_EQ(errors[0].field, "operations[3].start.lease");
  EXPECT_EQ(errors[1].field, "operations[4]");
}

}  // namespace
}  // namespace tracker::server
