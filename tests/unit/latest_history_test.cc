#include "src/store/postgres/latest_history.h"

#include <gtest/gtest.h>

namespace tracker::store::postgres {
namespace {

TEST(LatestHistory, AnEarlierTimelineOfTheSameClusterIsNotAdmitted) {
  LatestHistory latest;
  EXPECT_TRUE(latest.IsCurrent("7/00000001"));
  EXPECT_TRUE(latest.Admit("7/0000000A"));
  EXPECT_TRUE(latest.Admit("7/0000000A"));
  EXPECT_FALSE(latest.Admit("7/00000009"));
  EXPECT_FALSE(latest.IsCurrent("7/00000009"));
  EXPECT_TRUE(latest.IsCurrent("7/0000000A"));
  EXPECT_TRUE(latest.Admit("7/0000000B"));
  EXPECT_FALSE(latest.IsCurrent("7/0000000A"));
}

TEST(LatestHistory, AnotherClusterIsLater) {
  LatestHistory latest;
  EXPECT_TRUE(latest.Admit("7/00000005"));
  EXPECT_TRUE(latest.Admit("4/00000001"));
  EXPECT_FALSE(latest.IsCurrent("7/00000005"));
}

// A crash is no failover: the same server goes on, under another name of its run.
TEST(LatestHistory, AnotherRunOnTheSameTimelineIsAdmitted) {
  LatestHistory latest;
  EXPECT_TRUE(latest.Admit("7/00000005/b"));
  EXPECT_TRUE(latest.Admit("7/00000005/a"));
  EXPECT_TRUE(latest.Admit("7/00000005/c"));
  EXPECT_FALSE(latest.IsCurrent("7/00000005/b"));
  EXPECT_FALSE(latest.Admit("7/00000004/d"));
}

TEST(LatestHistory, AServerThatDoesNotTellIsTakenAsItIs) {
  LatestHistory latest;
  EXPECT_TRUE(latest.Admit("7/00000005"));
  EXPECT_TRUE(latest.Admit(""));
  EXPECT_TRUE(latest.IsCurrent(""));
  EXPECT_EQ(latest.Get(), "7/00000005");
}

}  // namespace
}  // namespace tracker::store::postgres
