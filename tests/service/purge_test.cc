// The purge in the background: when it looks at which namespace.
#include "src/service/purge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/service/policy_cache.h"
#include "tests/service/fake_store.h"

namespace tracker::service {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(UntilNextLook, IsAPartOfTheRetentionWithinBounds) {
  const absl::Duration interval = absl::Minutes(1);
  EXPECT_EQ(UntilNextLook(absl::Seconds(1), interval), interval);
  EXPECT_EQ(UntilNextLook(absl::Minutes(20), interval), interval);
  EXPECT_EQ(UntilNextLook(absl::Hours(1), interval), absl::Minutes(3));
  EXPECT_EQ(UntilNextLook(absl::Hours(24 * 365), interval), absl::Hours(6));
  EXPECT_EQ(UntilNextLook(absl::Seconds(1), absl::Hours(24)), absl::Hours(24));
}

class PurgeWalkTest : public ::testing::Test {
 protected:
  void Set(const std::string& name_space, absl::Duration retention) {
    ASSERT_TRUE(policies_.Set({.name_space = name_space, .retention = retention}).ok());
  }
  void MakeFinished(const std::string& name_space, const std::string& id) {
    for (const domain::Action& action :
         std::vector<domain::Action>{domain::Create{}, domain::Ignore{}}) {
      const domain::Command command{.key = {name_space, id}, .token = id, .action = action};
      const domain::Command* pointer = &command;
      ASSERT_TRUE(store_.Apply({&pointer, 1})[0].ok());
    }
  }
  // Takes steps for as long, and answers at which namespaces it looked.
  std::vector<std::string> WalkFor(absl::Duration duration) {
    control_->finished_looks.clear();
    const absl::Time end = now_ + duration;
    while (now_ < end) {
      const absl::Duration wait = walk_.Step();
      EXPECT_GT(wait, absl::ZeroDuration());
      now_ += wait;
    }
    return control_->finished_looks;
  }

  std::shared_ptr<testing::FakeStore::Control> control_ =
      std::make_shared<testing::FakeStore::Control>();
  testing::FakeStore store_{control_};
  PolicyCache policies_{&store_};
  absl::Time now_ = absl::FromUnixSeconds(1'000'000);
  PurgeWalk walk_{&store_, &policies_, absl::Minutes(1), [this] { return now_; }};
};

TEST_F(PurgeWalkTest, LooksAtOnceAndThenAsOftenAsTheRetentionAsksFor) {
  EXPECT_THAT(WalkFor(absl::Minutes(5)), IsEmpty());
  Set("hour", absl::Hours(1));
  EXPECT_THAT(WalkFor(absl::Minutes(1)), ElementsAre("hour"));
  EXPECT_NEAR(WalkFor(absl::Hours(1)).size(), 20, 3);
  Set("year", absl::Hours(24 * 365));
  const std::vector<std::string> looks = WalkFor(absl::Hours(24));
  EXPECT_NEAR(std::count(looks.begin(), looks.end(), "year"), 5, 1);
  EXPECT_NEAR(std::count(looks.begin(), looks.end(), "hour"), 480, 50);
}

TEST_F(PurgeWalkTest, LooksEveryIntervalWhereTasksKeepGoing) {
  Set("busy", absl::Hours(24));
  std::vector<std::string> looks;
  const absl::Time begin = now_;
  // So often that each look finds some.
  for (int half_minute = 0; half_minute < 20; ++half_minute) {
    MakeFinished("busy", absl::StrCat("t", half_minute));
    control_->now += absl::Hours(25);
    for (const std::string& look : WalkFor(absl::Seconds(30))) looks.push_back(look);
  }
  // A walk goes on beyond its time to the end of its last wait.
  const double minutes = absl::ToDoubleMinutes(now_ - begin);
  EXPECT_GE(minutes, 10);
  EXPECT_NEAR(static_cast<double>(looks.size()), minutes, 0.15 * minutes + 1);
  EXPECT_LE(control_->tasks.size(), 4u);
}

TEST_F(PurgeWalkTest, FollowsAPolicyThatChanges) {
  Set("n", absl::Hours(24 * 365));
  EXPECT_THAT(WalkFor(absl::Minutes(1)), ElementsAre("n"));
  Set("n", absl::Seconds(10));
  EXPECT_NEAR(WalkFor(absl::Minutes(10)).size(), 10, 2);
  ASSERT_TRUE(policies_.Delete("n").ok());
  EXPECT_THAT(WalkFor(absl::Minutes(10)), IsEmpty());
}

// A hundred thousand namespaces in which nothing goes: a few looks a second, not one each a minute.
TEST_F(PurgeWalkTest, ManyIdleNamespacesCostFewLooks) {
  constexpr int kNamespaces = 20'000;
  for (int i = 0; i < kNamespaces; ++i) {
    control_->ChangePolicy({.name_space = absl::StrCat("n", i), .retention = absl::Hours(24 * 7)});
  }
  control_->ChangePolicy({.name_space = "short", .retention = absl::Minutes(1)});
  ASSERT_TRUE(policies_.Refresh().ok());
  const std::vector<std::string> first = WalkFor(absl::Minutes(1));
  EXPECT_LE(first.size(), 60u * 20 + 1);
  EXPECT_EQ(std::count(first.begin(), first.end(), "short"), 1) << "the short ones come first";
  WalkFor(absl::Hours(1));
  EXPECT_LT(WalkFor(absl::Hours(12)).size(), 5 * kNamespaces / 2);
}

TEST_F(PurgeWalkTest, ADatabaseThatIsAwayIsLookedForLater) {
  Set("n", absl::Hours(24));
  control_->away = true;
  EXPECT_GE(walk_.Step(), absl::Seconds(1));
  control_->away = false;
  now_ += absl::Minutes(1);
  EXPECT_THAT(WalkFor(absl::Seconds(1)), ElementsAre("n"));
}

}  // namespace
}  // namespace tracker::service
