// The fixture of the conformance suite: each test runs over each implementation of the store, on a
// database of its own, with a clock that the test moves.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "src/domain/command.h"
#include "src/store/store.h"
#include "tests/support/postgres_cluster.h"

namespace tracker::store {

enum class Backend { kSqlite, kPostgres };

std::string BackendName(const ::testing::TestParamInfo<Backend>& info);

// One PostgreSQL for the whole program, started at its first use.
testing::PostgresCluster& SharedPostgres();

inline constexpr char kNamespace[] = "n";

// A command with this token; a new one for an empty token.
domain::Command Make(const std::string& id, domain::Action action, std::string token = "",
                     const std::string& name_space = kNamespace);
std::vector<domain::Outcome> ApplyTo(Store& store, const std::vector<domain::Command>& commands);

class StoreTest : public ::testing::TestWithParam<Backend> {
 protected:
  void SetUp() override;
  void TearDown() override;

  bool sqlite() const { return GetParam() == Backend::kSqlite; }
  const std::string& url() const { return url_; }
  const std::filesystem::path& folder() const { return folder_; }
  Store& store() { return *store_; }

  // Another store on the same database, with the same clock.
  std::unique_ptr<Store> OpenAnother(bool migrate = true);
  // Closes the store and opens it anew.
  void Reopen(bool migrate = false);
  void Advance(absl::Duration duration) { offset_us_ += absl::ToInt64Microseconds(duration); }
  // Runs a statement of the database's own, beside the store.
  void ExecuteSql(const std::string& for_sqlite, const std::string& for_postgres);

  std::vector<domain::Outcome> Apply(const std::vector<domain::Command>& commands) {
    return ApplyTo(store(), commands);
  }
  domain::Outcome Apply(const domain::Command& command) {
    return Apply(std::vector<domain::Command>{command}).at(0);
  }
  domain::Outcome Get(const std::string& id) { return store().Get({kNamespace, id}); }
  // Pending tasks with these ids, made in one batch.
  void CreateAll(const std::vector<std::string>& ids);

  // Every page of the query, joined. Fails where a page is empty or longer than asked for.
  static std::vector<domain::Task> ListAll(Store& store, ListQuery query);
  // The counts that the tasks themselves tell, of one namespace.
  static std::vector<StatusCount> Recount(Store& store, const std::string& name_space);

 private:
  std::filesystem::path folder_;
  std::string url_;
  std::unique_ptr<Store> store_;
  std::atomic<int64_t> offset_us_ = 0;
};

#define EXPECT_OK(status_or) EXPECT_TRUE((status_or).ok()) << ToText(status_or)
#define ASSERT_OK(status_or) ASSERT_TRUE((status_or).ok()) << ToText(status_or)

inline std::string ToText(const absl::Status& status) { return status.ToString(); }
template <typename T>
std::string ToText(const absl::StatusOr<T>& status) {
  return status.status().ToString();
}
// What is there; nothing, and a failure of the test, for an error.
template <typename T>
T Value(absl::StatusOr<T> value) {
  EXPECT_TRUE(value.ok()) << value.status();
  return value.ok() ? *std::move(value) : T();
}
inline int64_t Total(const std::vector<StatusCount>& counts) {
  int64_t total = 0;
  for (const StatusCount& count : counts) total += count.count;
  return total;
}
inline std::string ToText(const domain::Outcome& outcome) {
  return std::string(domain::ReasonName(outcome.reason)) + ": " + outcome.message;
}

}  // namespace tracker::store

namespace tracker::domain {
void PrintTo(const Task& task, std::ostream* out);
inline void PrintTo(Status status, std::ostream* out) { *out << std::string(StatusName(status)); }
inline void PrintTo(Reason reason, std::ostream* out) { *out << std::string(ReasonName(reason)); }
}  // namespace tracker::domain

#define INSTANTIATE_FOR_ALL_STORES(suite)                                                      \
  INSTANTIATE_TEST_SUITE_P(                                                                    \
      , suite,                                                                                 \
      ::testing::Values(tracker::store::Backend::kSqlite, tracker::store::Backend::kPostgres), \
      tracker::store::BackendName)
