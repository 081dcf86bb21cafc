// GroupErrors: what goes wrong most often.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/base/token.h"
#include "src/domain/fingerprint.h"
#include "tests/conformance/store_test.h"

namespace tracker::store {
namespace {

using domain::Fail;
using domain::Start;
using domain::Status;
using domain::Succeed;

class ErrorGroupsTest : public StoreTest {
 protected:
  absl::Time FailTask(const std::string& id, const std::string& message, bool no_retry = false) {
    const std::string lock = NewLockToken();
    EXPECT_OK(Apply(Make(id, Start{.create_if_missing = true}, lock)));
    Advance(absl::Seconds(1));
    return Apply(Make(id, Fail{.message = message, .no_retry = no_retry}, lock)).now;
  }
  ErrorGroups Group(ErrorGroupQuery query = {}) {
    query.name_space = kNamespace;
    return Value(store().GroupErrors(query));
  }
};
INSTANTIATE_FOR_ALL_STORES(ErrorGroupsTest);

TEST_P(ErrorGroupsTest, CountsTasksByTheirLastProblem) {
  EXPECT_TRUE(Group().groups.empty());
  const absl::Time first = FailTask("a", "row 1 is bad");
  FailTask("b", "another problem");
  FailTask("b", "row 2 is bad");
  FailTask("d", "timeout after 3 s");
  const absl::Time last = FailTask("c", "row 3 is bad");
  CreateAll({"fine"});
  const ErrorGroups groups = Group();
  EXPECT_EQ(groups.scanned, 4);
  EXPECT_FALSE(groups.truncated);
  ASSERT_EQ(groups.groups.size(), 2u);
  const ErrorGroup& rows = groups.groups[0];
  EXPECT_EQ(rows.fingerprint, domain::FingerprintOf("row 9 is bad"));
  EXPECT_EQ(rows.count, 3);
  EXPECT_EQ(rows.first, first);
  EXPECT_EQ(rows.last, last);
  EXPECT_EQ(rows.id, "c");
  EXPECT_EQ(rows.message, "row 3 is bad");
  EXPECT_EQ(groups.groups[1].message, "timeout after 3 s");
  EXPECT_EQ(groups.groups[1].count, 1);
}

TEST_P(ErrorGroupsTest, TheTimesAreThoseOfTheErrorsNotOfTheTasks) {
  CreateAll({"made-first"});
  const absl::Time early = FailTask("made-last", "x 1");
  const absl::Time late = FailTask("made-first", "x 2");
  const ErrorGroups groups = Group();
  ASSERT_EQ(groups.groups.size(), 1u);
  EXPECT_EQ(groups.groups[0].first, early);
  EXPECT_EQ(groups.groups[0].last, late);
  EXPECT_EQ(groups.groups[0].id, "made-first");
}

TEST_P(ErrorGroupsTest, FiltersByStatus) {
  FailTask("failed", "bad");
  FailTask("exhausted", "bad", /*no_retry=*/true);
  FailTask("recovered", "bad");
  const std::string lock = NewLockToken();
  ASSERT_OK(Apply(Make("recovered", Start{}, lock)));
  ASSERT_OK(Apply(Make("recovered", Succeed{}, lock)));
  EXPECT_EQ(Group().groups.at(0).count, 3);
  const ErrorGroups exhausted = Group({.statuses = {Status::kExhausted}});
  ASSERT_EQ(exhausted.groups.size(), 1u);
  EXPECT_EQ(exhausted.groups[0].id, "exhausted");
  EXPECT_EQ(Group({.statuses = {Status::kFailed, Status::kSucceeded}}).groups.at(0).count, 2);
  EXPECT_TRUE(Group({.statuses = {Status::kPending}}).groups.empty());
}

TEST_P(ErrorGroupsTest, AnswersTheLargestOnesOfWhatItLooksAt) {
  const std::string words[] = {"one", "two", "three", "four"};
  for (size_t i = 0; i < 4; ++i) {
    for (size_t n = 0; n <= i; ++n) FailTask(absl::StrCat(words[i], n), "problem " + words[i]);
  }
  const ErrorGroups largest = Group({.limit = 2});
  ASSERT_EQ(largest.groups.size(), 2u);
  EXPECT_EQ(largest.groups[0].message, "problem four");
  EXPECT_EQ(largest.groups[1].message, "problem three");
  EXPECT_FALSE(largest.truncated);
  EXPECT_EQ(largest.scanned, 10);
  // The newest tasks are looked at: the four of the last group, and one of the group before.
  const ErrorGroups newest = Group({.scan_limit = 5});
  EXPECT_TRUE(newest.truncated);
  EXPECT_EQ(newest.scanned, 5);
  ASSERT_EQ(newest.groups.size(), 2u);
  EXPECT_EQ(newest.groups[0].count, 4);
  EXPECT_EQ(newest.groups[1].count, 1);
  EXPECT_FALSE(Group({.scan_limit = 10}).truncated);
}

TEST_P(ErrorGroupsTest, AGroupIsAFilterOfList) {
  FailTask("a", "row 1 is bad");
  FailTask("b", "row 2 is bad");
  FailTask("c", "else");
  const ErrorGroups groups = Group();
  const Page page = Value(store().List(
      {.name_space = kNamespace, .error_fingerprint = groups.groups.at(0).fingerprint}));
  EXPECT_EQ(page.tasks.size(), 2u);
}

}  // namespace
}  // namespace tracker::store
