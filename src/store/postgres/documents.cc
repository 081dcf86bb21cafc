#include "src/store/postgres/documents.h"

#include <utility>

#include "src/base/limits.h"
#include "src/store/errors_json.h"
#include "src/store/postgres/statements.h"

namespace tracker::store::postgres {
namespace {

static_assert(limits::kSmallDocuments == 2048, "TRACKER_SMALL_DOCUMENTS says the same");

const Statement kDocuments = {"documents",
                              "SELECT t.namespace, t.id, t.data, t.errors" TRACKER_EACH_TASK(
                                  "namespace, id, data, errors", "")};

}  // namespace

absl::StatusOr<std::vector<Documents>> ReadDocuments(Connection& connection, int bucket,
                                                     const std::vector<domain::TaskKey>& keys) {
  absl::StatusOr<Rows> rows = connection.Execute({kDocuments, KeyValues(bucket, keys)});
  if (!rows.ok()) return rows.status();
  std::vector<Documents> documents;
  documents.reserve(rows->size());
  for (int row = 0; row < rows->size(); ++row) {
    documents.push_back({.key = {std::string(rows->Text(row, 0)), std::string(rows->Text(row, 1))},
                         .data = std::string(rows->Text(row, 2)),
                         .errors = DecodeErrors(std::string(rows->Text(row, 3))),
                         .bytes = rows->Text(row, 2).size() + rows->Text(row, 3).size()});
  }
  return documents;
}

}  // namespace tracker::store::postgres
