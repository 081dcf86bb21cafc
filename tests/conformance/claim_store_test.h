// The fixture of the tests of Claim: tasks in an order that the test names, and what a claim of
// them gives.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/base/token.h"
#include "tests/conformance/store_test.h"

namespace tracker::store {

using Ids = std::vector<std::string>;

inline Ids IdsOf(const std::vector<domain::Task>& tasks) {
  Ids ids;
  for (const domain::Task& task : tasks) ids.push_back(task.key.id);
  return ids;
}
inline Ids Sorted(Ids ids) {
  std::sort(ids.begin(), ids.end());
  return ids;
}
// "t1000", "t1001", ...: as many, which sort in their order.
inline Ids Numbered(const std::string& prefix, int count) {
  Ids ids;
  for (int i = 0; i < count; ++i) ids.push_back(absl::StrCat(prefix, 10'000 + i));
  return ids;
}

class ClaimStoreTest : public StoreTest {
 protected:
  // Tasks that have been available since 1970, each a microsecond less than the one before.
  void CreateInOrder(const Ids& ids, const domain::Create& like = {},
                     const std::string& name_space = kNamespace) {
    constexpr size_t kAtOnce = 1000;
    std::vector<domain::Command> commands;
    for (size_t i = 0; i < ids.size(); ++i) {
      domain::Create create = like;
      create.available_time = absl::FromUnixMicros(++available_us_);
      commands.push_back(Make(ids[i], create, "", name_space));
      if (commands.size() < kAtOnce && i + 1 < ids.size()) continue;
      for (const domain::Outcome& outcome : Apply(commands)) ASSERT_OK(outcome);
      commands.clear();
    }
  }

  static ClaimOrder OrderOf(int limit, std::string token = NewLockToken()) {
    return {.token = std::move(token), .worker = "w", .limit = limit};
  }
  static ClaimQuery QueryOf(std::vector<ClaimOrder> orders) {
    return {.name_space = kNamespace, .orders = std::move(orders)};
  }

  // What each order gets.
  static std::vector<std::vector<domain::Task>> Claim(Store& store, const ClaimQuery& query) {
    absl::StatusOr<ClaimAnswer> answer = store.Claim(query);
    EXPECT_OK(answer);
    if (!answer.ok()) return std::vector<std::vector<domain::Task>>(query.orders.size());
    EXPECT_EQ(answer->tasks.size(), query.orders.size());
    answer->tasks.resize(query.orders.size());
    return std::move(answer->tasks);
  }
  std::vector<domain::Task> Claim(int limit, const std::string& token = NewLockToken()) {
    return Claim(store(), QueryOf({OrderOf(limit, token)})).at(0);
  }
  Ids ClaimIds(int limit, const std::string& token = NewLockToken()) {
    return IdsOf(Claim(limit, token));
  }
  bool HasClaimable() { return Value(store().HaveClaimable({kNamespace})).at(0); }

  // One round of the reaper.
  void Reap() {
    std::vector<domain::Command> commands;
    for (const domain::TaskKey& key : Value(store().ListDue(1000))) {
      commands.push_back(Make(key.id, domain::Expire{}, "", key.name_space));
    }
    for (const domain::Outcome& outcome : Apply(commands)) EXPECT_OK(outcome);
  }

 private:
  int64_t available_us_ = 0;
};

}  // namespace tracker::store
