// Steps: tasks that wait until the task of the same id has succeeded elsewhere, with Start and with
// Claim.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/conformance/claim_store_test.h"

namespace tracker::store {
namespace {

using domain::Create;
using domain::Outcome;
using domain::Reason;
using domain::Reset;
using domain::Start;
using domain::Status;
using domain::Succeed;

constexpr char kExtract[] = "extract";
constexpr char kCheck[] = "check";

class AfterTest : public ClaimStoreTest {
 protected:
  void SucceedIn(const std::string& name_space, const std::string& id) {
    const std::string lock = NewLockToken();
    ASSERT_OK(Apply(Make(id, Start{.create_if_missing = true}, lock, name_space)));
    ASSERT_OK(Apply(Make(id, Succeed{}, lock, name_space)));
  }
  Ids ClaimAfter(const std::vector<std::string>& after, int limit = 10) {
    ClaimQuery query = QueryOf({OrderOf(limit)});
    query.after = after;
    return IdsOf(Claim(store(), query).at(0));
  }
};
INSTANTIATE_FOR_ALL_STORES(AfterTest);

TEST_P(AfterTest, AStartBeforeItsTurnIsToldWhatIsMissing) {
  CreateAll({"a"});
  SucceedIn(kCheck, "other");
  const Start start = {.after = {kExtract, kCheck}};
  Outcome outcome = Apply(Make("a", start));
  EXPECT_EQ(outcome.reason, Reason::kTaskNotReady);
  EXPECT_EQ(outcome.missing, (std::vector<std::string>{kExtract, kCheck}));
  EXPECT_EQ(Get("a").task->attempts, 0);
  SucceedIn(kExtract, "a");
  // There, but not done.
  ASSERT_OK(Apply(Make("a", Start{.create_if_missing = true}, "", kCheck)));
  outcome = Apply(Make("a", start));
  EXPECT_EQ(outcome.missing, std::vector<std::string>{kCheck});
  ASSERT_OK(Apply(Make("a", Reset{.force = true}, "", kCheck)));
  SucceedIn(kCheck, "a");
  EXPECT_OK(Apply(Make("a", start)));
}

TEST_P(AfterTest, AStepMayFollowTheOneBeforeWithinOneBatch) {
  const std::string lock = NewLockToken();
  const std::vector<Outcome> outcomes =
      Apply({Make("a", Start{.create_if_missing = true, .after = {kExtract}}),
             Make("a", Start{.create_if_missing = true}, lock, kExtract),
             Make("a", Succeed{}, lock, kExtract),
             Make("a", Start{.create_if_missing = true, .after = {kExtract}})});
  EXPECT_EQ(outcomes[0].reason, Reason::kTaskNotReady);
  EXPECT_OK(outcomes[2]);
  EXPECT_OK(outcomes[3]);
}

TEST_P(AfterTest, AClaimPassesOverWhatIsNotReady) {
  CreateInOrder({"missing", "running", "ready", "half", "free"});
  SucceedIn(kExtract, "ready");
  SucceedIn(kCheck, "ready");
  SucceedIn(kExtract, "half");
  ASSERT_OK(Apply(Make("running", Start{.create_if_missing = true}, "", kExtract)));
  EXPECT_TRUE(HasClaimable());
  EXPECT_EQ(ClaimAfter({kExtract, kCheck}), Ids{"ready"});
  EXPECT_EQ(ClaimAfter({kExtract, kCheck}), Ids{});
  EXPECT_EQ(ClaimAfter({kExtract}), Ids{"half"});
  // What was done anew is no longer done.
  SucceedIn(kExtract, "free");
  ASSERT_OK(Apply(Make("free", Reset{}, "", kExtract)));
  EXPECT_EQ(ClaimAfter({kExtract}), Ids{});
  EXPECT_EQ(ClaimAfter({}), (Ids{"missing", "running", "free"}));
}

TEST_P(AfterTest, AClaimGoesOnWhereTheStepBeforeEnded) {
  CreateInOrder({"first"}, {.priority = 1});
  CreateInOrder(Numbered("unready", limits::kClaimScan + 1000));
  CreateInOrder({"last"}, {.priority = -1});
  SucceedIn(kExtract, "first");
  SucceedIn(kExtract, "last");
  ClaimQuery query = QueryOf({OrderOf(2), OrderOf(2)});
  query.after = {kExtract};
  const absl::StatusOr<ClaimAnswer> step = store().Claim(query);
  ASSERT_OK(step);
  EXPECT_EQ(IdsOf(step->tasks.at(0)), Ids{"first"});
  EXPECT_EQ(IdsOf(step->tasks.at(1)), Ids{});
  ASSERT_NE(step->next, "") << "it ended at its bound";
  // The one that has got something is answered; the other goes on.
  query.orders.erase(query.orders.begin());
  query.from = step->next;
  const absl::StatusOr<ClaimAnswer> end = store().Claim(query);
  ASSERT_OK(end);
  EXPECT_EQ(IdsOf(end->tasks.at(0)), Ids{"last"});
  EXPECT_EQ(end->next, "");
}

}  // namespace
}  // namespace tracker::store
