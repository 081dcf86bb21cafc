// Tasks' data and errors, where these are too large to be read with every lock of their rows. Not
// thread-safe: as the connection.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "src/domain/task.h"
#include "src/store/postgres/connection.h"

namespace tracker::store::postgres {

// SQL, of a row of tracker.task: whether its documents lie within it, uncompressed (at most
// limits::kSmallDocuments). The row tells, without a look at the documents.
#define TRACKER_SMALL_DOCUMENTS                                                      \
  "(coalesce(pg_column_size(data), 0) + coalesce(pg_column_size(errors), 0) <= 2048" \
  " AND pg_column_compression(data) IS NULL AND pg_column_compression(errors) IS NULL)"
// SQL: the columns data, errors and left_out, in which documents that are not small are NULL.
#define TRACKER_DOCUMENTS_IF_SMALL      \
  "CASE WHEN " TRACKER_SMALL_DOCUMENTS  \
  " THEN data END AS data,"             \
  " CASE WHEN " TRACKER_SMALL_DOCUMENTS \
  " THEN errors END AS errors,"         \
  " NOT " TRACKER_SMALL_DOCUMENTS " AS left_out"

struct Documents {
  domain::TaskKey key;
  std::string data;
  // DataLoss for what Tracker did not write.
  absl::StatusOr<std::vector<domain::TaskError>> errors;

  size_t bytes = 0;
};

// Of tasks that are locked, in key order; of those that are not there, nothing.
absl::StatusOr<std::vector<Documents>> ReadDocuments(Connection& connection, int bucket,
                                                     const std::vector<domain::TaskKey>& keys);

}  // namespace tracker::store::postgres
