#include "src/store/claim_deal.h"

#include <gtest/gtest.h>

#include <vector>

namespace tracker::store {
namespace {

// To whom `tasks` tasks of these bytes go, one after another.
std::vector<size_t> DealAll(ClaimDeal& deal, int tasks, size_t bytes = 1) {
  std::vector<size_t> dealt;
  for (int i = 0; i < tasks; ++i) dealt.push_back(deal.Deal(bytes));
  return dealt;
}

TEST(ClaimDealTest, GoesRoundAndPassesOverWhoHasEnough) {
  ClaimDeal deal(
      {{.token = "1", .limit = 3}, {.token = "2", .limit = 1}, {.token = "3", .limit = 2}});
  EXPECT_EQ(deal.wanted(), 6);
  EXPECT_EQ(DealAll(deal, 6), (std::vector<size_t>{0, 1, 2, 0, 2, 0}));
  EXPECT_EQ(deal.wanted(), 0);
  EXPECT_EQ(deal.Deal(1), 3u) << "nobody wants it";
}

TEST(ClaimDealTest, AClosedOrderGetsNothing) {
  ClaimDeal deal({{.token = "4", .limit = 5}, {.token = "5", .limit = 5}});
  deal.Close(0);
  EXPECT_EQ(deal.wanted(), 5);
  EXPECT_EQ(DealAll(deal, 2), (std::vector<size_t>{1, 1}));
  deal.Close(1);
  EXPECT_EQ(deal.wanted(), 0);
  EXPECT_EQ(deal.Deal(1), 2u);
}

TEST(ClaimDealTest, WhoHasNoRoomIsFullAndTheNextGetsIt) {
  ClaimDeal deal({{.token = "6", .limit = 9, .byte_limit = 100},
                  {.token = "7", .limit = 9, .byte_limit = 1000}});
  EXPECT_EQ(DealAll(deal, 4, 60), (std::vector<size_t>{0, 1, 1, 1}));
  // Also for small ones: they come in order of their priority, and none is passed over.
  EXPECT_EQ(deal.Deal(1), 1u);
  EXPECT_EQ(deal.wanted(), 5);
}

TEST(ClaimDealTest, TheFirstTaskAlwaysFits) {
  ClaimDeal deal({{.token = "8", .limit = 9, .byte_limit = 1}});
  EXPECT_EQ(deal.Deal(1'000'000), 0u);
  EXPECT_EQ(deal.Deal(1), 1u) << "nobody has room";
  EXPECT_EQ(deal.wanted(), 0);
}

TEST(ClaimDealTest, ATokenThatComesTwiceIsDealtToOnce) {
  ClaimDeal deal(
      {{.token = "a", .limit = 2}, {.token = "b", .limit = 1}, {.token = "a", .limit = 5}});
  EXPECT_EQ(deal.wanted(), 3);
  EXPECT_EQ(DealAll(deal, 3), (std::vector<size_t>{0, 1, 0}));
  ClaimAnswer answer(3);
  answer.tasks[0] = {{.key = {"n", "x"}}};
  answer.recalls[0] = ClaimRecall::kRecalled;
  deal.CopyRepeats(&answer);
  ASSERT_EQ(answer.tasks[2].size(), 1u);
  EXPECT_EQ(answer.tasks[2][0].key.id, "x");
  EXPECT_EQ(answer.recalls[2], ClaimRecall::kRecalled);
  EXPECT_TRUE(answer.tasks[1].empty());
}

TEST(ClaimDealTest, ATaskIsAsLargeAsWithTheLongestWorkersName) {
  const ClaimDeal deal({{.token = "a", .worker = "four"}, {.token = "b", .worker = "eleven-long"}});
  domain::Task task{.key = {"n", "x"}, .worker = "before"};
  const size_t size = deal.SizeOf(task);
  task.worker = "eleven-long";
  EXPECT_EQ(size, domain::ByteSize(task));
}

TEST(ClaimDealTest, NobodyWantsANegativeNumber) {
  EXPECT_EQ(ClaimDeal({{.token = "9", .limit = -5}, {.token = "10", .limit = 0}}).wanted(), 0);
  EXPECT_EQ(ClaimDeal({}).wanted(), 0);
}

}  // namespace
}  // namespace tracker::store
