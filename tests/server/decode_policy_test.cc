// Policies, claims and jobs as requests: what is not set is the default, what is wrong is named.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "server/decode.h"
#include "src/base/token.h"
#include "src/domain/fingerprint.h"

namespace tracker::server {
namespace {

using Fields = std::vector<std::string>;

template <typename Request>
Fields FieldsOf(const Request& request) {
  FieldErrors errors;
  Decode(request, errors);
  Fields fields;
  for (const FieldError& error : errors.list()) fields.push_back(error.field);
  return fields;
}

template <typename Request>
auto Good(const Request& request) {
  FieldErrors errors;
  auto decoded = Decode(request, errors);
  EXPECT_TRUE(errors.empty()) << errors.list()[0].field << " " << errors.list()[0].description;
  return decoded;
}

template <typename Request>
Request In(const std::string& name_space) {
  Request request;
  request.set_namespace_(name_space);
  return request;
}

TEST(DecodePolicy, WhatIsNotSetIsTheDefault) {
  v1::SetPolicyRequest request;
  request.mutable_policy()->set_namespace_("jobs");
  EXPECT_EQ(Good(request), (domain::Policy{.name_space = "jobs"}));
  request.mutable_policy()->mutable_backoff();
  request.mutable_policy()->mutable_pause_on_failure();
  EXPECT_EQ(Good(request),
            (domain::Policy{.name_space = "jobs", .pause_on_failure = domain::PauseOnFailure()}));
}

TEST(DecodePolicy, TakesAllThatIsSet) {
  v1::SetPolicyRequest request;
  v1::Policy& policy = *request.mutable_policy();
  policy.set_namespace_("jobs");
  policy.mutable_lease()->set_seconds(60);
  policy.set_max_attempts(7);
  policy.mutable_backoff()->mutable_initial()->set_seconds(1);
  policy.mutable_backoff()->set_multiplier(3);
  policy.mutable_backoff()->mutable_max()->set_seconds(10);
  policy.mutable_backoff()->set_jitter(0.5);
  policy.mutable_retention()->set_seconds(86400);
  policy.set_paused(true);
  policy.set_pause_reason("the bank is closed");
  policy.mutable_pause_on_failure()->set_share(0.9);
  policy.mutable_pause_on_failure()->mutable_window()->set_seconds(30);
  policy.mutable_pause_on_failure()->set_min_attempts(5);
  policy.mutable_update_time()->set_seconds(-1);
  EXPECT_EQ(Good(request), (domain::Policy{.name_space = "jobs",
                                           .lease = absl::Minutes(1),
                                           .max_attempts = 7,
                                           .backoff = {absl::Seconds(1), 3, absl::Seconds(10), 0.5},
                                           .retention = absl::Hours(24),
                                           .paused = true,
                                           .pause_reason = "the bank is closed",
                                           .pause_on_failure =
                                               domain::PauseOnFailure{0.9, absl::Seconds(30), 5}}));
}

TEST(DecodePolicy, ReasonOfNoPauseIsDropped) {
  v1::SetPolicyRequest request;
  request.mutable_policy()->set_namespace_("jobs");
  request.mutable_policy()->set_pause_reason("of long ago");
  EXPECT_EQ(Good(request).pause_reason, "");
}

TEST(DecodePolicy, NamesEveryFieldThatIsWrong) {
  v1::SetPolicyRequest request;
  EXPECT_EQ(FieldsOf(request), Fields{"policy"});
  v1::Policy& policy = *request.mutable_policy();
  policy.mutable_lease()->set_nanos(1);
  policy.set_max_attempts(-1);
  policy.mutable_backoff()->mutable_initial()->set_seconds(-1);
  policy.mutable_backoff()->set_multiplier(NAN);
  policy.mutable_backoff()->set_jitter(NAN);
  policy.mutable_retention();
  policy.set_pause_reason(std::string(1025, 'x'));
  policy.mutable_pause_on_failure()->set_share(1.5);
  policy.mutable_pause_on_failure()->mutable_window()->set_seconds(9);
  policy.mutable_pause_on_failure()->set_min_attempts(-1);
  EXPECT_EQ(FieldsOf(request),
            (Fields{"policy.namespace", "policy.lease", "policy.max_attempts",
                    "policy.backoff.initial", "policy.backoff.multiplier", "policy.backoff.jitter",
                    "policy.retention", "policy.pause_reason", "policy.pause_on_failure.share",
                    "policy.pause_on_failure.window", "policy.pause_on_failure.min_attempts"}));
}

TEST(DecodePolicy, DurationThatIsNoneIsNamedOnce) {
  v1::SetPolicyRequest request;
  request.mutable_policy()->set_namespace_("jobs");
  request.mutable_policy()->mutable_backoff()->mutable_max()->set_nanos(-1'000'000'000);
  EXPECT_EQ(FieldsOf(request), Fields{"policy.backoff.max"});
}

TEST(DecodePolicy, OthersNeedTheNamespace) {
  EXPECT_EQ(FieldsOf(v1::GetPolicyRequest()), Fields{"namespace"});
  EXPECT_EQ(FieldsOf(v1::DeletePolicyRequest()), Fields{"namespace"});
  EXPECT_EQ(Good(In<v1::GetPolicyRequest>("jobs")), "jobs");
}

TEST(DecodeClaim, DefaultsAreOneTaskAtOnceWithANewLock) {
  const service::ClaimRequest claim = Good(In<v1::ClaimRequest>("jobs"));
  EXPECT_EQ(claim.limit, 1);
  EXPECT_EQ(claim.wait, absl::ZeroDuration());
  EXPECT_EQ(claim.lease, std::nullopt);
  EXPECT_TRUE(ParseLockToken(claim.token).has_value());
  EXPECT_NE(claim.token, Good(In<v1::ClaimRequest>("jobs")).token);
}

TEST(DecodeClaim, TakesAllThatIsSet) {
  auto request = In<v1::ClaimRequest>("load");
  request.set_limit(1000);
  request.set_worker("w");
  request.mutable_lease()->set_seconds(5);
  request.mutable_wait()->set_seconds(60);
  request.set_lock("0123456789ABCDEF0123456789abcdef");
  request.add_after("extract");
  const service::ClaimRequest claim = Good(request);
  EXPECT_EQ(claim.name_space, "load");
  EXPECT_EQ(claim.limit, 1000);
  EXPECT_EQ(claim.worker, "w");
  EXPECT_EQ(claim.lease, absl::Seconds(5));
  EXPECT_EQ(claim.wait, absl::Seconds(60));
  EXPECT_EQ(claim.token, "0123456789abcdef0123456789abcdef");
  EXPECT_EQ(claim.after, std::vector<std::string>{"extract"});
}

TEST(DecodeClaim, NamesEveryFieldThatIsWrong) {
  v1::ClaimRequest request;
  request.set_limit(1001);
  request.set_worker("a\nb");
  request.mutable_lease()->set_seconds(-1);
  request.mutable_wait()->set_seconds(61);
  request.set_lock("x");
  request.add_after("a b");
  EXPECT_EQ(FieldsOf(request),
            (Fields{"namespace", "limit", "worker", "lease", "wait", "lock", "after[0]"}));
  request = In<v1::ClaimRequest>("jobs");
  request.set_limit(-1);
  EXPECT_EQ(FieldsOf(request), Fields{"limit"});
}

TEST(DecodeStart, TakesTheStepsBefore) {
  auto request = In<v1::StartRequest>("load");
  request.set_id("1");
  request.add_after("extract");
  request.add_after("transform");
  EXPECT_EQ(std::get<domain::Start>(Good(request).action).after,
            (std::vector<std::string>{"extract", "transform"}));
  request.add_after("load");
  EXPECT_EQ(FieldsOf(request), Fields{"after[2]"});
}

TEST(DecodeList, TakesTheFiltersOnErrors) {
  auto request = In<v1::ListRequest>("jobs");
  request.set_error_text("Timeout");
  request.set_error_fingerprint(domain::FingerprintText(-5));
  const service::ListRequest list = Good(request);
  EXPECT_EQ(list.query.error_text, "Timeout");
  EXPECT_EQ(list.query.error_fingerprint, -5);
  request.set_error_text(std::string(257, 'x'));
  request.set_error_fingerprint("nonsense");
  EXPECT_EQ(FieldsOf(request), (Fields{"error_text", "error_fingerprint"}));
}

TEST(DecodeBulk, TakesTheFiltersAndTheAction) {
  auto request = In<v1::BulkUpdateRequest>("jobs");
  request.set_action(v1::BULK_ACTION_DELETE);
  request.add_statuses(v1::STATUS_FAILED);
  request.add_statuses(v1::STATUS_FAILED);
  request.set_id_prefix("a");
  request.set_worker("w");
  request.set_max_per_second(10);
  request.set_dry_run(true);
  request.set_force(true);
  const service::BulkRequest bulk = Good(request);
  EXPECT_EQ(bulk.action, service::BulkAction::kDelete);
  EXPECT_EQ(bulk.filter.name_space, "jobs");
  EXPECT_EQ(bulk.filter.statuses, std::vector<domain::Status>{domain::Status::kFailed});
  EXPECT_EQ(bulk.filter.id_prefix, "a");
  EXPECT_EQ(bulk.filter.worker, "w");
  EXPECT_EQ(bulk.max_per_second, 10);
  EXPECT_TRUE(bulk.dry_run);
  EXPECT_TRUE(bulk.force);
}

TEST(DecodeBulk, NamesEveryFieldThatIsWrong) {
  v1::BulkUpdateRequest request;
  request.add_statuses(static_cast<v1::Status>(3));
  request.set_id_prefix("\n");
  request.set_error_fingerprint("x");
  request.set_max_per_second(-1);
  EXPECT_EQ(FieldsOf(request), (Fields{"namespace", "id_prefix", "statuses[0]", "error_fingerprint",
                                       "action", "max_per_second"}));
  request = In<v1::BulkUpdateRequest>("jobs");
  request.set_action(static_cast<v1::BulkAction>(9));
  EXPECT_EQ(FieldsOf(request), Fields{"action"});
}

TEST(DecodeGroups, LimitHasADefaultAndBounds) {
  auto request = In<v1::GroupErrorsRequest>("jobs");
  EXPECT_EQ(Good(request).limit, 10);
  request.set_limit(100);
  EXPECT_EQ(Good(request).limit, 100);
  request.set_limit(101);
  EXPECT_EQ(FieldsOf(request), Fields{"limit"});
}

TEST(DecodePurge, NamespaceMayBeLeftOut) {
  EXPECT_EQ(Good(v1::PurgeRequest()).name_space, "");
  EXPECT_EQ(FieldsOf(In<v1::PurgeRequest>("a b")), Fields{"namespace"});
}

}  // namespace
}  // namespace tracker::server
