// What a user may say of a namespace and ask of many tasks: each bound from both sides.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "src/base/limits.h"
#include "src/domain/validation.h"

namespace tracker::domain {
namespace {

using Fields = std::vector<std::string>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr absl::Duration kTick = absl::Microseconds(1);

Policy Good() { return {.name_space = "jobs"}; }

Fields FieldsOf(const std::vector<FieldComplaint>& complaints) {
  Fields fields;
  for (const FieldComplaint& complaint : complaints) fields.push_back(complaint.field);
  return fields;
}

Fields With(const std::function<void(Policy&)>& change) {
  Policy policy = Good();
  change(policy);
  return FieldsOf(CheckPolicy(policy));
}

Fields WithPause(const PauseOnFailure& pause) {
  return With([&](Policy& p) { p.pause_on_failure = pause; });
}

TEST(PolicyValidation, DefaultsAreGood) { EXPECT_EQ(FieldsOf(CheckPolicy(Good())), Fields{}); }

TEST(PolicyValidation, LeaseAndAttempts) {
  EXPECT_EQ(With([](Policy& p) { p.lease = limits::kMinLease; }), Fields{});
  EXPECT_EQ(With([](Policy& p) { p.lease = limits::kMinLease - kTick; }), Fields{"lease"});
  EXPECT_EQ(With([](Policy& p) { p.lease = limits::kMaxLease + kTick; }), Fields{"lease"});
  for (const int good : {1, 1000})
    EXPECT_EQ(With([&](Policy& p) { p.max_attempts = good; }), Fields{}) << good;
  for (const int bad : {0, -1, 1001})
    EXPECT_EQ(With([&](Policy& p) { p.max_attempts = bad; }), Fields{"max_attempts"}) << bad;
}

TEST(PolicyValidation, Backoff) {
  EXPECT_EQ(With([](Policy& p) { p.backoff = {absl::Hours(1), 1, absl::Hours(1), 1}; }), Fields{});
  EXPECT_EQ(With([](Policy& p) {
              p.backoff = {limits::kMaxBackoff, 100, limits::kMaxBackoff, 0};
            }),
            Fields{});
  EXPECT_EQ(With([](Policy& p) { p.backoff.initial = -kTick; }), Fields{"backoff.initial"});
  EXPECT_EQ(With([](Policy& p) { p.backoff.initial = limits::kMaxBackoff + kTick; }),
            Fields{"backoff.initial"});
  EXPECT_EQ(With([](Policy& p) { p.backoff.initial = p.backoff.max + kTick; }),
            Fields{"backoff.max"});
  EXPECT_EQ(With([](Policy& p) { p.backoff.max = limits::kMaxBackoff + kTick; }),
            Fields{"backoff.max"});
  for (const double bad : {0.0, 0.99, 100.5, -1.0, kNan, double{INFINITY}}) {
    EXPECT_EQ(With([&](Policy& p) { p.backoff.multiplier = bad; }), Fields{"backoff.multiplier"})
        << bad;
  }
  for (const double bad : {-0.01, 1.01, kNan, double{INFINITY}})
    EXPECT_EQ(With([&](Policy& p) { p.backoff.jitter = bad; }), Fields{"backoff.jitter"}) << bad;
}

TEST(PolicyValidation, Retention) {
  EXPECT_EQ(With([](Policy& p) { p.retention = absl::Seconds(1); }), Fields{});
  EXPECT_EQ(With([](Policy& p) { p.retention = limits::kMaxRetention; }), Fields{});
  EXPECT_EQ(With([](Policy& p) { p.retention = absl::Seconds(1) - kTick; }), Fields{"retention"});
  EXPECT_EQ(With([](Policy& p) { p.retention = limits::kMaxRetention + kTick; }),
            Fields{"retention"});
}

TEST(PolicyValidation, PauseReason) {
  EXPECT_EQ(With([](Policy& p) { p.pause_reason = std::string(1024, 'x'); }), Fields{});
  for (const std::string& bad :
       {std::string(1025, 'x'), std::string("\xFF"), std::string("a\0b", 3)})
    EXPECT_EQ(With([&](Policy& p) { p.pause_reason = bad; }), Fields{"pause_reason"});
}

TEST(PolicyValidation, PauseOnFailure) {
  EXPECT_EQ(WithPause({1, absl::Seconds(10), 1}), Fields{});
  EXPECT_EQ(WithPause({0.001, absl::Hours(1), 1'000'000}), Fields{});
  for (const double bad : {0.0, -0.5, 1.001, kNan})
    EXPECT_EQ(WithPause({.share = bad}), Fields{"pause_on_failure.share"}) << bad;
  for (const absl::Duration bad : {absl::Seconds(10) - kTick, absl::Hours(1) + kTick})
    EXPECT_EQ(WithPause({.window = bad}), Fields{"pause_on_failure.window"});
  for (const int bad : {0, -1, 1'000'001})
    EXPECT_EQ(WithPause({.min_attempts = bad}), Fields{"pause_on_failure.min_attempts"});
}

TEST(PolicyValidation, NamesEveryFieldThatIsWrong) {
  Policy policy = Good();
  policy.name_space = "a b";
  policy.lease = absl::ZeroDuration();
  policy.backoff.jitter = 2;
  EXPECT_EQ(FieldsOf(CheckPolicy(policy)), (Fields{"namespace", "lease", "backoff.jitter"}));
}

TEST(AfterValidation, NamesEachNamespaceThatIsWrong) {
  EXPECT_EQ(FieldsOf(CheckAfter({}, "load")), Fields{});
  EXPECT_EQ(FieldsOf(CheckAfter({"extract", "transform"}, "load")), Fields{});
  EXPECT_EQ(FieldsOf(CheckAfter({"extract", "", "a b"}, "load")), (Fields{"after[1]", "after[2]"}));
  EXPECT_EQ(FieldsOf(CheckAfter({"extract", "load"}, "load")), Fields{"after[1]"});
  EXPECT_EQ(FieldsOf(CheckAfter({"a", "b", "a"}, "load")), Fields{"after[2]"});
  std::vector<std::string> many;
  for (int i = 0; i < 16; ++i) many.push_back("step" + std::to_string(i));
  EXPECT_EQ(FieldsOf(CheckAfter(many, "load")), Fields{});
  many.push_back("one-more");
  EXPECT_EQ(FieldsOf(CheckAfter(many, "load")), Fields{"after"});
}

TEST(Validation, NumbersOfClaimsGroupsAndJobs) {
  for (const int good : {1, 1000}) EXPECT_EQ(CheckClaimLimit(good), std::nullopt);
  for (const int bad : {0, -1, 1001}) EXPECT_NE(CheckClaimLimit(bad), std::nullopt);
  EXPECT_EQ(CheckClaimWait(absl::ZeroDuration()), std::nullopt);
  EXPECT_EQ(CheckClaimWait(absl::Seconds(60)), std::nullopt);
  EXPECT_NE(CheckClaimWait(absl::Seconds(60) + kTick), std::nullopt);
  EXPECT_NE(CheckClaimWait(-kTick), std::nullopt);
  for (const int good : {1, 100}) EXPECT_EQ(CheckGroupLimit(good), std::nullopt);
  for (const int bad : {0, 101}) EXPECT_NE(CheckGroupLimit(bad), std::nullopt);
  for (const int good : {0, 1, 1'000'000}) EXPECT_EQ(CheckJobRate(good), std::nullopt);
  for (const int bad : {-1, 1'000'001}) EXPECT_NE(CheckJobRate(bad), std::nullopt);
}

TEST(Validation, ErrorFilters) {
  EXPECT_EQ(CheckErrorText(""), std::nullopt);
  EXPECT_EQ(CheckErrorText("line\nbreak " + std::string(245, 'x')), std::nullopt);
  EXPECT_NE(CheckErrorText(std::string(257, 'x')), std::nullopt);
  EXPECT_NE(CheckErrorText("\xFF"), std::nullopt);
  EXPECT_NE(CheckErrorText(std::string(1, '\0')), std::nullopt);
  EXPECT_EQ(CheckErrorFingerprint(""), std::nullopt);
  EXPECT_EQ(CheckErrorFingerprint("0123456789abcdef"), std::nullopt);
  for (const std::string bad :
       {"0123456789abcde", "0123456789abcdef0", "0123456789abcdeg", "0000000000000000"})
    EXPECT_NE(CheckErrorFingerprint(bad), std::nullopt) << bad;
}

}  // namespace
}  // namespace tracker::domain
