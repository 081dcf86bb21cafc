#include "tests/bench/database_stats.h"

#include <exception>
#include <pqxx/pqxx>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace tracker::bench {
namespace {

constexpr char kRelations[] =
    "SELECT c.relname, c.relkind = 'i', pg_table_size(c.oid), coalesce(s.n_dead_tup, 0)::bigint "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid "
    "WHERE n.nspname = 'tracker' AND c.relkind IN ('r', 'i') ORDER BY 3 DESC, 1";
// Of tracker.task.
constexpr char kUpdates[] =
    "SELECT coalesce(sum(n_tup_upd), 0)::bigint, coalesce(sum(n_tup_hot_upd), 0)::bigint "
    "FROM pg_stat_user_tables WHERE schemaname = 'tracker' AND relname = 'task'";
constexpr char kSettings[] =
    "SELECT name || ' = ' || current_setting(name) FROM pg_settings WHERE name IN "
    "('server_version', 'shared_buffers', 'max_wal_size', 'checkpoint_timeout', 'fsync', "
    "'synchronous_commit', 'wal_compression', 'autovacuum_naptime', 'autovacuum_max_workers', "
    "'effective_cache_size', 'random_page_cost', 'maintenance_work_mem', 'commit_delay') "
    "ORDER BY name";

// Runs `read` within a transaction; its exceptions end here.
template <typename Read>
auto WithTransaction(const std::string& url, Read read)
    -> absl::StatusOr<decltype(read(std::declval<pqxx::work&>()))> {
  try {
    pqxx::connection connection(url);
    pqxx::work work(connection);
    return read(work);
  } catch (const std::exception& e) {
    return absl::InternalError(absl::StrCat("cannot read PostgreSQL's statistics: ", e.what()));
  }
}

}  // namespace

absl::StatusOr<DatabaseStats> ReadDatabaseStats(const std::string& url) {
  return WithTransaction(url, [](pqxx::work& work) {
    DatabaseStats stats;
    for (const pqxx::row& row : work.exec(kRelations)) {
      stats.relations.push_back({.name = row[0].as<std::string>(),
                                 .is_index = row[1].as<bool>(),
                                 .bytes = row[2].as<int64_t>(),
                                 .dead_tuples = row[3].as<int64_t>()});
      stats.total_bytes += stats.relations.back().bytes;
      stats.dead_tuples += stats.relations.back().dead_tuples;
    }
    const pqxx::row updates = work.exec1(kUpdates);
    stats.updates = updates[0].as<int64_t>();
    stats.hot_updates = updates[1].as<int64_t>();
    return stats;
  });
}

absl::StatusOr<std::vector<std::string>> ReadSettings(const std::string& url) {
  return WithTransaction(url, [](pqxx::work& work) {
    std::vector<std::string> settings;
    for (const pqxx::row& row : work.exec(kSettings)) {
      settings.push_back(row[0].as<std::string>());
    }
    return settings;
  });
}

absl::StatusOr<int64_t> ReadMaxWalBytes(const std::string& url) {
  return WithTransaction(url, [](pqxx::work& work) {
    return work.exec1("SELECT pg_size_bytes(current_setting('max_wal_size'))")[0].as<int64_t>();
  });
}

}  // namespace tracker::bench
