#include "src/store/sqlite/claim_memory.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "src/base/limits.h"

namespace tracker::store::sqlite {

using nlohmann::json;

absl::StatusOr<std::optional<std::vector<std::string>>> RecallClaim(Connection& connection,
                                                                    const std::string& name_space,
                                                                    const std::string& token,
                                                                    absl::Time now) {
  absl::StatusOr<Statement> select = connection.Prepare(
      "SELECT ids FROM claim WHERE namespace = ? AND token = ? AND claim_us > ?");
  if (!select.ok()) return select.status();
  select->Bind(name_space).Bind(token).Bind(absl::ToUnixMicros(now - limits::kClaimMemory));
  const absl::StatusOr<bool> row = select->Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::nullopt;
  try {
    return json::parse(select->Text(0)).get<std::vector<std::string>>();
  } catch (const json::exception& error) {
    return absl::DataLossError(absl::StrCat("a stored claim cannot be read: ", error.what()));
  }
}

absl::Status RememberClaim(Connection& connection, const std::string& name_space,
                           const std::string& token, const std::vector<domain::Task>& tasks,
                           absl::Time now) {
  json ids = json::array();
  for (const domain::Task& task : tasks) ids.push_back(task.key.id);
  const std::string text = ids.dump(-1, ' ', false, json::error_handler_t::replace);
  absl::StatusOr<Statement> insert = connection.Prepare(
      "INSERT OR REPLACE INTO claim (namespace, token, claim_us, ids) VALUES (?, ?, ?, ?)");
  if (!insert.ok()) return insert.status();
  insert->Bind(name_space).Bind(token).Bind(absl::ToUnixMicros(now)).Bind(text);
  return insert->Run();
}

}  // namespace tracker::store::sqlite
