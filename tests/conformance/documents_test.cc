// Large data and errors: read for whoever needs them, left alone otherwise, and never too many at
// once.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/base/token.h"
#include "tests/conformance/store_test.h"

namespace tracker::store {
namespace {

using domain::Command;
using domain::Outcome;
using domain::Reason;

// Does not compress to a small one.
std::string LargeData(size_t bytes = 20'000) {
  std::string text;
  while (text.size() < bytes) text += NewLockToken();
  return absl::StrCat(R"({"x":")", text, R"("})");
}

class DocumentsTest : public StoreTest {
 protected:
  // In progress, with this data and an error.
  void Prepare(const std::string& id, const std::string& data) {
    ASSERT_OK(Apply(Make(id, domain::Create{.data = data, .max_attempts = 100})));
    const std::string lock = NewLockToken();
    ASSERT_OK(Apply(Make(id, domain::Start{}, lock)));
    ASSERT_OK(Apply(Make(id, domain::Fail{.message = "it broke"}, lock)));
    ASSERT_OK(Apply(Make(id, domain::Start{}, lock_)));
  }
  static Command Without(Command command) {
    command.wants_documents = false;
    return command;
  }
  void ExpectWhole(const std::string& data, size_t errors) {
    const Outcome got = Get("a");
    ASSERT_OK(got);
    EXPECT_EQ(got.task->data, data);
    EXPECT_EQ(got.task->errors.size(), errors);
    // List finds it by its error still.
    ListQuery query{.name_space = kNamespace, .error_text = "it broke"};
    EXPECT_EQ(Value(store().List(query)).tasks.size(), 1u);
  }

  const std::string lock_ = NewLockToken();
};
INSTANTIATE_FOR_ALL_STORES(DocumentsTest);

TEST_P(DocumentsTest, WhatNobodyNeedsIsLeftOutAndLeftAlone) {
  const std::string data = LargeData();
  Prepare("a", data);
  for (const domain::Action& action :
       {domain::Action(domain::Heartbeat{}), domain::Action(domain::Succeed{})}) {
    const Outcome outcome = Apply(Without(Make("a", action, lock_)));
    ASSERT_OK(outcome);
    EXPECT_TRUE(outcome.truncated);
    EXPECT_TRUE(outcome.task->data.empty());
    EXPECT_TRUE(outcome.task->errors.empty());
    ExpectWhole(data, 1);
  }
}

TEST_P(DocumentsTest, NewDataReplacesWhatWasNotRead) {
  Prepare("a", LargeData());
  const std::string data = LargeData(30'000);
  const Outcome outcome = Apply(Without(Make("a", domain::Heartbeat{.data = data}, lock_)));
  ASSERT_OK(outcome);
  EXPECT_TRUE(outcome.truncated);
  ExpectWhole(data, 1);
}

TEST_P(DocumentsTest, AFailureIsAddedToTheErrorsThatThereWere) {
  const std::string data = LargeData();
  Prepare("a", data);
  ASSERT_OK(Apply(Without(Make("a", domain::Fail{.message = "again"}, lock_))));
  ExpectWhole(data, 2);
}

TEST_P(DocumentsTest, SmallOnesAndWantedOnesAreAnswered) {
  Prepare("small", R"({"n":1})");
  const Outcome small = Apply(Without(Make("small", domain::Heartbeat{}, lock_)));
  ASSERT_OK(small);
  EXPECT_FALSE(small.truncated);
  EXPECT_EQ(small.task->data, R"({"n":1})");
  const std::string data = LargeData();
  Prepare("a", data);
  const Outcome wanted = Apply(Make("a", domain::Heartbeat{}, lock_));
  ASSERT_OK(wanted);
  EXPECT_FALSE(wanted.truncated);
  EXPECT_EQ(wanted.task->data, data);
}

// What compresses well is as large in memory as what does not.
TEST_P(DocumentsTest, ATransactionLoadsAtMostSoManyBytes) {
  constexpr int kTasks = 40;
  const std::string data = absl::StrCat(R"({"x":")", std::string(240'000, 'x'), R"("})");
  std::vector<Command> commands;
  for (int i = 0; i < kTasks; ++i) {
    commands.push_back(Make(absl::StrCat("t", 100 + i), domain::Create{.data = data}));
  }
  for (const Outcome& outcome : Apply(commands)) ASSERT_OK(outcome);
  for (Command& command : commands) command = Make(command.key.id, domain::Start{});
  size_t done = 0;
  for (const Outcome& outcome :
       store().Apply(domain::PointersTo(commands), {.patience = absl::ZeroDuration()})) {
    if (outcome.ok()) {
      EXPECT_EQ(outcome.task->data, data);
      ++done;
    } else {
      EXPECT_EQ(outcome.reason, Reason::kDeferred);
    }
  }
  EXPECT_GE(done, 10u);
  EXPECT_LE(done, limits::kLaneBatchBytes / data.size() + limits::kDocumentsAtOnce);
  // Whoever waits gets all of them, in as many transactions as it takes.
  for (const Outcome& outcome : Apply(commands)) {
    ASSERT_OK(outcome);
    EXPECT_EQ(outcome.task->data, data);
    EXPECT_EQ(outcome.task->fence, 1);
  }
}

}  // namespace
}  // namespace tracker::store
