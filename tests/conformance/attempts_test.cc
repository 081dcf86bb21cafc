// CountAttempts: how many attempts went wrong lately, for namespaces that pause themselves. Moments
// lie well apart, as attempts are counted by the second.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/base/token.h"
#include "tests/conformance/store_test.h"

namespace tracker::store {
namespace {

using domain::Command;
using domain::Expire;
using domain::Fail;
using domain::Release;
using domain::Start;
using domain::Succeed;

class AttemptsTest : public StoreTest {
 protected:
  absl::Time End(const std::string& id, const domain::Action& how, bool counted = true,
                 const std::string& name_space = kNamespace) {
    const std::string lock = NewLockToken();
    EXPECT_OK(Apply(Make(id, Start{.force = true, .create_if_missing = true}, lock, name_space)));
    Command command = Make(id, how, lock, name_space);
    if (counted) {
      auto policy = std::make_shared<domain::Policy>();
      policy->pause_on_failure = domain::PauseOnFailure{};
      command.policy = policy;
    }
    const domain::Outcome outcome = Apply(command);
    EXPECT_OK(outcome);
    // A repeated command is no further attempt.
    EXPECT_OK(Apply(command));
    return outcome.now;
  }
  AttemptCount Count(absl::Duration window, absl::Time since = absl::UnixEpoch()) {
    return Value(store().CountAttempts(kNamespace, window, since));
  }
};
INSTANTIATE_FOR_ALL_STORES(AttemptsTest);

constexpr absl::Duration kWindow = absl::Minutes(1);

TEST_P(AttemptsTest, CountsThoseThatEndedAndThoseThatFailed) {
  EXPECT_EQ(Count(kWindow), AttemptCount());
  End("a", Succeed{});
  End("b", Fail{.retry_delay = absl::ZeroDuration()});
  End("c", Fail{.no_retry = true});
  End("d", Release{});
  End("uncounted", Fail{}, /*counted=*/false);
  End("elsewhere", Fail{}, true, "another");
  EXPECT_EQ(Count(kWindow), (AttemptCount{.ended = 3, .failed = 2}));
  EXPECT_EQ(Value(store().CountAttempts("another", kWindow, absl::UnixEpoch())),
            (AttemptCount{.ended = 1, .failed = 1}));
}

TEST_P(AttemptsTest, ALeaseThatEndsIsAFailure) {
  ASSERT_OK(Apply(Make("a", Start{.lease = absl::Seconds(1), .create_if_missing = true})));
  Advance(absl::Seconds(5));
  auto policy = std::make_shared<domain::Policy>();
  policy->pause_on_failure = domain::PauseOnFailure{};
  Command expire = Make("a", Expire{});
  expire.policy = policy;
  ASSERT_OK(Apply(expire));
  EXPECT_EQ(Count(kWindow), (AttemptCount{.ended = 1, .failed = 1}));
}

TEST_P(AttemptsTest, ALeaseThatASecondStartFindsOverIsAFailureToo) {
  CreateAll({"a"});
  ASSERT_OK(Apply(Make("a", Start{.lease = absl::Seconds(1)})));
  Advance(absl::Seconds(5));
  auto policy = std::make_shared<domain::Policy>();
  policy->pause_on_failure = domain::PauseOnFailure{};
  Command start = Make("a", Start{});
  start.policy = policy;
  ASSERT_OK(Apply(start));
  EXPECT_EQ(Count(kWindow), (AttemptCount{.ended = 1, .failed = 1}));
}

TEST_P(AttemptsTest, ForgetsThemAfterTheWindowAndBeforeTheMomentAskedFor) {
  const absl::Time first = End("a", Fail{});
  Advance(absl::Seconds(20));
  End("b", Fail{});
  EXPECT_EQ(Count(kWindow).ended, 2);
  EXPECT_EQ(Count(absl::Seconds(10)).ended, 1);
  EXPECT_EQ(Count(kWindow, first + absl::Seconds(10)).ended, 1);
  EXPECT_EQ(Count(kWindow, first + absl::Seconds(30)).ended, 0);
  Advance(absl::Seconds(50));
  EXPECT_EQ(Count(kWindow).ended, 1);
  Advance(absl::Seconds(50));
  EXPECT_EQ(Count(kWindow).ended, 0);
  EXPECT_EQ(Count(absl::Minutes(10)).ended, 2);
}

TEST_P(AttemptsTest, TellsOfWhichNamespacesThereAreAny) {
  EXPECT_TRUE(Value(store().ListAttempted("", 10)).empty());
  for (const char* name_space : {"c", "a", "b", "a"}) End("t", Fail{}, true, name_space);
  End("t", Fail{}, /*counted=*/false, "uncounted");
  using Names = std::vector<std::string>;
  EXPECT_EQ(Value(store().ListAttempted("", 10)), (Names{"a", "b", "c"}));
  EXPECT_EQ(Value(store().ListAttempted("", 2)), (Names{"a", "b"}));
  EXPECT_EQ(Value(store().ListAttempted("b", 2)), (Names{"c"}));
  // Many at once, each with its own window.
  EXPECT_EQ(Value(store().CountAttempts({{"b", kWindow, absl::UnixEpoch()},
                                         {"nobody's", kWindow, absl::UnixEpoch()},
                                         {"a", kWindow, absl::UnixEpoch()},
                                         {"a", kWindow, absl::FromUnixSeconds(4'000'000'000)}})),
            (std::vector<AttemptCount>{{1, 1}, {0, 0}, {2, 2}, {0, 0}}));
}

TEST_P(AttemptsTest, TidyingChangesNothingWithinTheLongestWindow) {
  for (int i = 0; i < 10; ++i) End(absl::StrCat("t", i), Fail{});
  Advance(absl::Minutes(30));
  End("late", Succeed{});
  for (int i = 0; i < 3; ++i) ASSERT_OK(store().Tidy());
  EXPECT_EQ(Count(limits::kMaxPauseWindow), (AttemptCount{.ended = 11, .failed = 10}));
  Advance(absl::Minutes(40));
  for (int i = 0; i < 3; ++i) ASSERT_OK(store().Tidy());
  // The old ones are really gone, and not just out of the window.
  EXPECT_EQ(Count(absl::Hours(24)), (AttemptCount{.ended = 1, .failed = 0}));
}

}  // namespace
}  // namespace tracker::store
