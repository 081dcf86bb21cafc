// What a server over many namespaces asks of an idle database, counted in the rows that PostgreSQL
// has read for it.
#include <gtest/gtest.h>

#include <pqxx/pqxx>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/e2e/api.h"
#include "tests/e2e/world.h"

namespace tracker::e2e {
namespace {

constexpr int kNamespaces = 5000;

class Idle : public ::testing::Test {
 protected:
  // The first column of the first row.
  int64_t Ask(const std::string& sql) {
    pqxx::connection connection(url_);
    return pqxx::nontransaction(connection).exec(sql)[0][0].as<int64_t>();
  }
  int64_t RowsRead() {
    return Ask(
        "SELECT sum(coalesce(idx_tup_fetch, 0) + coalesce(seq_tup_read, 0))::bigint"
        " FROM pg_stat_user_tables WHERE schemaname = 'tracker'"
        " AND relname IN ('task', 'task_count', 'policy', 'policy_gone', 'attempt_count')");
  }
  // How often the server has looked whether policies have changed, which is twice a second: a clock
  // that stands still where the server does.
  int64_t Looks() {
    return Ask(
        "SELECT coalesce(idx_scan, 0) + seq_scan FROM pg_stat_user_tables"
        " WHERE schemaname = 'tracker' AND relname = 'meta'");
  }

  World world_;
  const std::string url_ = world_.NewStore(Kind::kPostgres);
};

TEST_F(Idle, ManyNamespacesAreNotReadAgainAndAgain) {
  ASSERT_EQ(world_.Run({ProgramPath("trackerd"), "migrate", "--store", url_}).exit_code, 0);
  {
    pqxx::connection connection(url_);
    pqxx::work work(connection);
    work.exec(
        absl::StrCat("INSERT INTO tracker.policy (namespace, document, revision, update_us)"
                     " SELECT 'n' || i, '{\"retention_us\": 604800000000, \"pause_on_failure\":"
                     " {\"share\": 0.5, \"window_us\": 60000000, \"min_attempts\": 20}}', i, 1"
                     " FROM generate_series(1, ",
                     kNamespaces, ") i"));
    work.exec(absl::StrCat("UPDATE tracker.meta SET value = '", kNamespaces,
                           "' WHERE key = 'policy_version'"));
    work.exec(
        absl::StrCat("INSERT INTO tracker.task_count (bucket, namespace, status, n)"
                     " SELECT 0, 'n' || i, 0, 1 FROM generate_series(1, ",
                     kNamespaces, ") i"));
    work.commit();
  }
  Api api(world_.Serve(url_).address());
  ASSERT_TRUE(Await([&] { return api.Serving(); }));
  v1::GetPolicyRequest last;
  last.set_namespace_("n5000");
  const auto policy = api.Call(last);
  ASSERT_TRUE(policy.ok());
  EXPECT_TRUE(policy.body.policy().has_retention()) << policy.body.ShortDebugString();
  // Once it has read all policies and looked at the counters.
  const int64_t begin = Looks();
  ASSERT_TRUE(Await([&] { return Looks() >= begin + 4 && RowsRead() >= 2 * kNamespaces; }));
  const int64_t looks = Looks();
  const int64_t rows = RowsRead();
  ASSERT_TRUE(Await([&] { return Looks() >= looks + 10; }, absl::Minutes(2)));
  EXPECT_LT(RowsRead() - rows, kNamespaces);
}

}  // namespace
}  // namespace tracker::e2e
