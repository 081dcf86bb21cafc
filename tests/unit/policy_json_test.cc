#include "src/store/policy_json.h"

#include <gtest/gtest.h>

namespace tracker::store {
namespace {

using domain::Policy;

TEST(PolicyJsonTest, RoundTripsEveryField) {
  const Policy policy = {.lease = absl::Milliseconds(1500),
                         .max_attempts = 7,
                         .backoff = {.initial = absl::Microseconds(3),
                                     .multiplier = 1.5,
                                     .max = absl::Minutes(3),
                                     .jitter = 0.25},
                         .retention = absl::Hours(48),
                         .paused = true,
                         .pause_reason = "the \"disk\" is full\n\xC3\xA4",
                         .pause_on_failure = domain::PauseOnFailure{
                             .share = 0.9, .window = absl::Seconds(90), .min_attempts = 11}};
  const absl::StatusOr<Policy> decoded = DecodePolicy(EncodePolicy(policy));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, policy);
}

TEST(PolicyJsonTest, RoundTripsTheDefaults) {
  const absl::StatusOr<Policy> decoded = DecodePolicy(EncodePolicy({}));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, Policy());
}

TEST(PolicyJsonTest, LeavesOutWhatIsStoredBesideIt) {
  const std::string json =
      EncodePolicy({.name_space = "n", .revision = 9, .update_time = absl::FromUnixSeconds(1)});
  EXPECT_EQ(json, EncodePolicy({}));
}

TEST(PolicyJsonTest, TakesDefaultsForWhatIsNotThereAndPassesOverWhatItDoesNotKnow) {
  const absl::StatusOr<Policy> decoded = DecodePolicy(R"({"max_attempts":5,"of_a_later_year":[]})");
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, (Policy{.max_attempts = 5}));
}

TEST(PolicyJsonTest, RefusesWhatItDidNotMake) {
  for (const char* bad : {"", "nonsense", R"({"lease_us":"long"})", R"({"paused":3})"}) {
    EXPECT_EQ(DecodePolicy(bad).status().code(), absl::StatusCode::kDataLoss) << bad;
  }
}

}  // namespace
}  // namespace tracker::store
