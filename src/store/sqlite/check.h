// What can be wrong with a SQLite file, whose indexes SQLite keeps itself: the counters, and damage
// to the file.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "src/store/sqlite/database.h"
#include "src/store/store.h"

namespace tracker::store::sqlite {

struct Faults {
  CountCheck counts;
  // In SQLite's words.
  std::vector<std::string> damage;
};

absl::StatusOr<Faults> FindFaults(Connection& connection, const CheckOptions& options);
absl::StatusOr<std::vector<std::string>> FindDamage(Connection& connection, const GoOn& go_on);

// Of what was found; nothing of it repaired.
CheckReport ReportOf(const Faults& faults);

}  // namespace tracker::store::sqlite
