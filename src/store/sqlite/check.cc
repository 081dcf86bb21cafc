#include "src/store/sqlite/check.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "src/base/limits.h"
#include "src/store/sqlite/counters.h"

namespace tracker::store::sqlite {
namespace {

// It reads the whole file.
constexpr absl::Duration kPatience = absl::Minutes(30);

void AddExample(Finding& finding, std::string example) {
  ++finding.count;
  if (finding.examples.size() < limits::kFindingExamples) {
    finding.examples.push_back(std::move(example));
  }
}

}  // namespace

absl::StatusOr<std::vector<std::string>> FindDamage(Connection& connection, const GoOn& go_on) {
  const Deadline deadline(connection, kPatience, go_on);
  absl::StatusOr<Statement> check = connection.PrepareOnce("PRAGMA integrity_check(100)");
  if (!check.ok()) return check.status();
  std::vector<std::string> damage;
  while (true) {
    const absl::StatusOr<bool> row = check->Step();
    if (!row.ok()) return WhyEnded(row.status(), go_on);
    if (!*row) return damage;
    std::string text = check->Text(0);
    // What it says when it is cut short.
    if (absl::StrContains(text, "interrupted")) {
      return WhyEnded(absl::DeadlineExceededError("the database takes too long over this"), go_on);
    }
    if (text != "ok") damage.push_back(std::move(text));
  }
}

absl::StatusOr<Faults> FindFaults(Connection& connection, const CheckOptions& options) {
  Faults faults;
  absl::StatusOr<CountCheck> counts = CheckCounts(connection, options.go_on);
  if (!counts.ok()) return counts.status();
  faults.counts = *std::move(counts);
  if (options.tell) options.tell(ReportOf(faults));
  absl::StatusOr<std::vector<std::string>> damage = FindDamage(connection, options.go_on);
  if (!damage.ok()) return damage.status();
  faults.damage = *std::move(damage);
  return faults;
}

CheckReport ReportOf(const Faults& faults) {
  CheckReport report{.scanned = faults.counts.tasks, .total = faults.counts.tasks};
  Finding counts{.where = "task_count", .fault = Fault::kMiscount};
  for (const CountMismatch& wrong : faults.counts.mismatches) {
    AddExample(counts, absl::StrCat(wrong.name_space, " ", domain::StatusName(wrong.status), ": ",
                                    wrong.counted, " counted, ", wrong.actual, " there"));
  }
  if (counts.count > 0) report.findings.push_back(std::move(counts));
  Finding damage{.where = "file", .fault = Fault::kDamage};
  for (const std::string& text : faults.damage) AddExample(damage, text);
  if (damage.count > 0) report.findings.push_back(std::move(damage));
  return report;
}

}  // namespace tracker::store::sqlite
