// List's filters on errors, and its bound on how many tasks a page looks at.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/base/token.h"
#include "src/domain/fingerprint.h"
#include "tests/conformance/store_test.h"

namespace tracker::store {
namespace {

using domain::Command;
using domain::Create;
using domain::Fail;
using domain::Outcome;
using domain::Release;
using domain::Reset;
using domain::Start;
using domain::Status;
using domain::Succeed;
using domain::Task;

using Ids = std::vector<std::string>;

class ListFilterTest : public StoreTest {
 protected:
  void FailTask(const std::string& id, const std::string& message, bool no_retry = false) {
    const std::string lock = NewLockToken();
    const Fail fail = {.message = message, .traceback = "trace of it", .no_retry = no_retry};
    ASSERT_OK(Apply(Make(id, Start{.worker = "w", .create_if_missing = true}, lock)));
    ASSERT_OK(Apply(Make(id, fail, lock)));
  }

  // All pages, which may be short or empty; `empty` and `pages` count them.
  Ids Pages(ListQuery query) {
    query.name_space = kNamespace;
    Ids ids;
    pages = empty = 0;
    while (true) {
      const absl::StatusOr<Page> page = store().List(query);
      EXPECT_OK(page);
      if (!page.ok()) return ids;
      EXPECT_LE(page->scanned, query.scan_limit);
      EXPECT_LE(static_cast<int>(page->tasks.size()), query.limit);
      ++pages;
      empty += page->tasks.empty() ? 1 : 0;
      for (const Task& task : page->tasks) ids.push_back(task.key.id);
      if (!page->next || pages > 1000) return ids;
      query.after = page->next;
    }
  }
  Ids SortedPages(const ListQuery& query) {
    Ids ids = Pages(query);
    std::sort(ids.begin(), ids.end());
    return ids;
  }

  int pages = 0;
  int empty = 0;
};
INSTANTIATE_FOR_ALL_STORES(ListFilterTest);

constexpr Order kOrders[] = {Order::kNewestFirst, Order::kOldestFirst, Order::kUpdatedFirst};

TEST_P(ListFilterTest, FindsTextInTheMessageOfAnyError) {
  FailTask("disk", "Disk FULL: 100% of a_b");
  FailTask("net", "connection refused");
  FailTask("both", "disk gone");
  FailTask("both", "connection lost");
  CreateAll({"fine"});
  for (const Order order : kOrders) {
    const auto with = [&](const std::string& text) {
      return SortedPages({.error_text = text, .order = order});
    };
    EXPECT_EQ(with("disk"), (Ids{"both", "disk"}));
    EXPECT_EQ(with("CONNECTION"), (Ids{"both", "net"}));
    EXPECT_EQ(with("full: 100%"), Ids{"disk"});
    // Text, no pattern, and not what stands in the traceback or in the stored form.
    EXPECT_EQ(with("d_sk"), Ids{});
    EXPECT_EQ(with("disk%gone"), Ids{});
    EXPECT_EQ(with("a_b"), Ids{"disk"});
    EXPECT_EQ(with("trace of"), Ids{});
    EXPECT_EQ(with("message"), Ids{});
  }
}

TEST_P(ListFilterTest, FindsTextWithQuotesAndOtherScripts) {
  FailTask("odd", "a \"quoted\" C:\\path\nGröße 'x'");
  for (const char* text : {"\"QUOTED\"", "c:\\path", "\\path\ngr", "größe '", "'"}) {
    EXPECT_EQ(Pages({.error_text = text}), Ids{"odd"}) << text;
  }
  EXPECT_EQ(Pages({.error_text = "\\\\"}), Ids{});
}

TEST_P(ListFilterTest, FindsTheLastProblemByItsFingerprint) {
  FailTask("a", "row 1 is bad");
  FailTask("b", "row 22 is bad");
  FailTask("c", "row 3 is bad");
  FailTask("c", "something else");
  const std::string lock = NewLockToken();
  ASSERT_OK(Apply(Make("b", Start{}, lock)));
  ASSERT_OK(Apply(Make("b", Release{}, lock)));  // No problem: the one before is still the last.
  for (const Order order : kOrders) {
    const auto with = [&](const char* message) {
      return SortedPages({.error_fingerprint = domain::FingerprintOf(message), .order = order});
    };
    EXPECT_EQ(with("row 999 is bad"), (Ids{"a", "b"}));
    EXPECT_EQ(with("something else"), Ids{"c"});
    EXPECT_EQ(with("never seen"), Ids{});
  }
}

TEST_P(ListFilterTest, CombinesFilters) {
  FailTask("x-failed", "boom 1");
  FailTask("x-exhausted", "boom 2", /*no_retry=*/true);
  FailTask("y-failed", "boom 3");
  FailTask("x-reset", "boom 4");
  ASSERT_OK(Apply(Make("x-reset", Reset{})));
  CreateAll({"x-pending"});
  const int64_t boom = domain::FingerprintOf("boom 0");
  for (const Order order : kOrders) {
    ListQuery query = {.statuses = {Status::kFailed, Status::kExhausted}, .order = order};
    EXPECT_EQ(SortedPages(query), (Ids{"x-exhausted", "x-failed", "y-failed"}));
    query.id_prefix = "x-";
    query.error_fingerprint = boom;
    query.error_text = "boom";
    query.worker = "w";
    EXPECT_EQ(SortedPages(query), (Ids{"x-exhausted", "x-failed"}));
    query.statuses = {Status::kExhausted};
    EXPECT_EQ(SortedPages(query), Ids{"x-exhausted"});
    query.statuses = {Status::kPending};
    EXPECT_EQ(SortedPages(query), Ids{"x-reset"});
    query.worker = "another";
    EXPECT_EQ(SortedPages(query), Ids{});
  }
}

// Of 60 tasks, the 10th, 20th, ... match.
TEST_P(ListFilterTest, APageEndsAfterSoManyTasksThoughShortOrEmpty) {
  std::vector<Command> commands;
  Ids expected;
  for (int i = 1; i <= 60; ++i) {
    const std::string id = absl::StrCat(i % 10 == 0 ? "match-" : "other-", 100 + i);
    commands.push_back(Make(id, Create{}));
    if (i % 10 == 0) expected.push_back(id);
  }
  for (const Command& command : commands) {
    ASSERT_OK(Apply(command));
    Advance(absl::Milliseconds(1));
  }
  for (const int limit : {1, 2, 100}) {
    for (const int scan_limit : {1, 3, 10, 59, 60, 1000}) {
      SCOPED_TRACE(absl::StrCat("limit ", limit, ", scan_limit ", scan_limit));
      const ListQuery query = {.id_prefix = "match-",
                               .order = Order::kOldestFirst,
                               .limit = limit,
                               .scan_limit = scan_limit};
      EXPECT_EQ(Pages(query), expected);
      if (scan_limit < 10) {
        EXPECT_GT(empty, 0);
        EXPECT_GE(pages, 60 / scan_limit);
      }
      if (scan_limit > 60) {
        EXPECT_EQ(empty, 0);
      }
    }
  }
}

TEST_P(ListFilterTest, AnUnfilteredPageLooksAtLittleMoreThanItAnswers) {
  std::vector<Command> commands;
  for (int i = 0; i < 50; ++i) commands.push_back(Make(absl::StrCat("t", 100 + i), Create{}));
  for (const Outcome& outcome : Apply(commands)) ASSERT_OK(outcome);
  EXPECT_LE(Value(store().List({.name_space = kNamespace, .limit = 5})).scanned, 6);
}

// A task with errors among many without: the page does not look at those.
TEST_P(ListFilterTest, LooksOnlyAtTasksWithErrorsWhereOthersCannotMatch) {
  FailTask("failed", "boom");
  std::vector<Command> commands;
  for (int i = 0; i < 50; ++i) commands.push_back(Make(absl::StrCat("t", 100 + i), Create{}));
  for (const Outcome& outcome : Apply(commands)) ASSERT_OK(outcome);
  for (const ListQuery& query :
       {ListQuery{.error_text = "boom"}, ListQuery{.statuses = {Status::kFailed}},
        ListQuery{.error_fingerprint = domain::FingerprintOf("boom")}}) {
    ListQuery bounded = query;
    bounded.name_space = kNamespace;
    bounded.scan_limit = 5;
    const Page page = Value(store().List(bounded));
    EXPECT_EQ(page.tasks.size(), 1u);
    EXPECT_FALSE(page.next.has_value());
  }
}

TEST_P(ListFilterTest, EachTaskComesOnceWhileOthersChangeAndPagesAreShort) {
  Ids expected;
  for (int i = 0; i < 120; ++i) {
    const std::string id = absl::StrCat(i % 4 == 0 ? "keep-" : "churn-", 1000 + i);
    ASSERT_OK(Apply(Make(id, Create{})));
    Advance(absl::Milliseconds(1));
    if (i % 4 == 0) expected.push_back(id);
  }
  std::multiset<std::string> seen;
  ListQuery query = {.name_space = kNamespace, .id_prefix = "keep-", .limit = 2, .scan_limit = 7};
  int round = 0;
  do {
    const absl::StatusOr<Page> page = store().List(query);
    ASSERT_OK(page);
    for (const Task& task : page->tasks) seen.insert(task.key.id);
    query.after = page->next;
    // Those looked for change, too; the others come and go, in front and at the back.
    const std::string lock = NewLockToken();
    const std::string id = expected[(round * 7) % expected.size()];
    Apply({Make(id, Start{.force = true}, lock), Make(id, Succeed{}, lock),
           Make(absl::StrCat("churn-", 1000 + round), domain::Delete{}),
           Make(absl::StrCat("churn-new-", round), Create{})});
    ASSERT_LT(++round, 200);
  } while (query.after);
  EXPECT_EQ(Ids(seen.begin(), seen.end()), expected);
}

}  // namespace
}  // namespace tracker::store
