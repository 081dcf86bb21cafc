// What PostgreSQL says about Tracker's tables.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace tracker::bench {

struct Relation {
  std::string name;
  bool is_index = false;
  // A table's without its indexes.
  int64_t bytes = 0;
  // 0 for an index.
  int64_t dead_tuples = 0;
};

struct DatabaseStats {
  // The largest first.
  std::vector<Relation> relations;
  // pg_total_relation_size of all tables.
  int64_t total_bytes = 0;
  // Of all tables.
  int64_t dead_tuples = 0;
  // Of tracker.task, since the server started.
  int64_t updates = 0;
  int64_t hot_updates = 0;
};

absl::StatusOr<DatabaseStats> ReadDatabaseStats(const std::string& url);

// The version and the settings that matter here, "name = value" each.
absl::StatusOr<std::vector<std::string>> ReadSettings(const std::string& url);
absl::StatusOr<int64_t> ReadMaxWalBytes(const std::string& url);

}  // namespace tracker::bench
