// Policies over the wire: what one server is told, all follow; and a namespace that pauses itself.
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "src/base/token.h"
#include "tests/e2e/api.h"
#include "tests/e2e/world.h"

namespace tracker::e2e {
namespace {

v1::SetPolicyRequest PolicyOf(const std::string& name_space) {
  v1::SetPolicyRequest request;
  request.mutable_policy()->set_namespace_(name_space);
  return request;
}

class PolicyApiTest : public StoreTest {
 protected:
  // How long after the call on one server the other behaves so.
  template <typename Condition>
  absl::Duration Takes(const Condition& condition) {
    const absl::Time begin = absl::Now();
    EXPECT_TRUE(Await(condition));
    return absl::Now() - begin;
  }
};

TEST_P(PolicyApiTest, AnotherServerFollowsWithinASecond) {
  const std::string url = world_.NewStore(GetParam());
  Api here(world_.Serve(url).address());
  Api there(world_.Serve(url).address());
  ASSERT_TRUE(there.Call(For<v1::CreateRequest>("t")).ok());
  v1::SetPolicyRequest pause = PolicyOf(kJobs);
  pause.mutable_policy()->set_paused(true);
  ASSERT_TRUE(here.Call(pause).ok());
  EXPECT_EQ(here.Call(StartOf("t", NewLockToken())).Verdict(), "NAMESPACE_PAUSED");
  // Half a second between two looks, and what a busy machine adds to it.
  const auto start = [&] {
    v1::StartRequest request = StartOf("new", NewLockToken());
    request.set_create_if_missing(true);
    return there.Call(request).Verdict();
  };
  EXPECT_LT(Takes([&] {
              // It is let go of, so that the next try may start it.
              if (start() == "NAMESPACE_PAUSED") return true;
              v1::ResetRequest reset = For<v1::ResetRequest>("new");
              reset.set_force(true);
              there.Call(reset);
              return false;
            }),
            absl::Milliseconds(1500));
  v1::DeletePolicyRequest resume;
  resume.set_namespace_(kJobs);
  ASSERT_TRUE(here.Call(resume).ok());
  EXPECT_LT(Takes([&] { return start() != "NAMESPACE_PAUSED"; }), absl::Milliseconds(1500));
}

TEST_P(PolicyApiTest, ANamespaceWhoseAttemptsFailPausesItselfAndSaysWhy) {
  constexpr int kAttempts = 5;
  Api api(world_.Serve(world_.NewStore(GetParam())).address());
  v1::SetPolicyRequest set = PolicyOf(kJobs);
  v1::PauseOnFailure& rule = *set.mutable_policy()->mutable_pause_on_failure();
  rule.set_share(0.6);
  rule.set_min_attempts(kAttempts);
  ASSERT_TRUE(api.Call(set).ok());
  // Attempts of the second in which the policy was set do not count.
  absl::SleepFor(absl::Milliseconds(1100));
  const auto attempt = [&](int number, bool fails) {
    const std::string id = absl::StrCat("t", number);
    const std::string lock = NewLockToken();
    v1::StartRequest start = StartOf(id, lock);
    start.set_create_if_missing(true);
    ASSERT_EQ(api.Call(start).Verdict(), "OK");
    ASSERT_EQ((fails ? api.Call(Held<v1::FailRequest>(id, lock)).Verdict()
                     : api.Call(Held<v1::SucceedRequest>(id, lock)).Verdict()),
              "OK");
  };
  for (int i = 0; i < kAttempts; ++i) attempt(i, /*fails=*/i < 3);
  v1::GetPolicyRequest get;
  get.set_namespace_(kJobs);
  v1::GetPolicyResponse policy;
  EXPECT_TRUE(Await([&] {
    policy = api.Call(get).body;
    return policy.policy().paused();
  }));
  EXPECT_TRUE(absl::StrContains(policy.policy().pause_reason(), "3 of the last 5 attempts"))
      << policy.policy().pause_reason();
  v1::ClaimRequest claim;
  claim.set_namespace_(kJobs);
  const auto refused = api.Call(claim);
  EXPECT_EQ(refused.Verdict(), "NAMESPACE_PAUSED");
  EXPECT_TRUE(absl::StrContains(refused.status.error_message(), "3 of the last 5 attempts"));
  // Whoever resumes it has seen these.
  ASSERT_TRUE(api.Call(set).ok());
  EXPECT_EQ(api.Call(claim).Verdict(), "OK");
}

INSTANTIATE_TEST_SUITE_P(Stores, PolicyApiTest, BothKinds(), KindName);

}  // namespace
}  // namespace tracker::e2e
