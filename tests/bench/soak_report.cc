#include "tests/bench/soak_report.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "tests/bench/soak_verdicts.h"

namespace tracker::bench {
namespace {

// Left out of a minute's lines; the table at the end has all.
constexpr int64_t kSmall = 1'000'000;

int64_t SizeOf(const DatabaseStats& stats, const std::string& relation) {
  for (const Relation& one : stats.relations) {
    if (one.name == relation) return one.bytes;
  }
  return 0;
}

std::string VerdictTable(const SoakResult& result) {
  std::string text = "| what | target | seen | verdict |\n| --- | --- | --- | --- |\n";
  for (const Verdict& verdict : SoakVerdicts(result)) {
    absl::StrAppend(&text, "| ", verdict.what, " | ", verdict.target, " | ", verdict.seen, " | ",
                    verdict.met ? "met" : "**missed**", " |\n");
  }
  return text;
}

std::string MinuteTable(const SoakResult& result) {
  std::string text =
      "| minute | cycles/s | tasks | of the load | size | dead tuples | HOT | Claim p50 | List "
      "first p50, p99 | List deep p50, p99 | Count p50 |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const SoakMinute& minute : result.minutes) {
    absl::StrAppendFormat(
        &text, "| %d | %.0f | %d | %d | %s | %d | %.0f %% | %s | %s, %s | %s, %s | %s |\n",
        minute.number, minute.cycles_per_second, minute.tasks, minute.load_tasks,
        Bytes(minute.stats.total_bytes), minute.stats.dead_tuples, 100 * minute.hot_share,
        Milliseconds(minute.claim.median), Milliseconds(minute.reads.list_first.median),
        Milliseconds(minute.reads.list_first.p99), Milliseconds(minute.reads.list_deep.median),
        Milliseconds(minute.reads.list_deep.p99), Milliseconds(minute.reads.count.median));
  }
  return text;
}

std::string SizeTable(const SoakResult& result) {
  std::string text =
      "| relation | before | halfway | most | end |\n| --- | --- | --- | --- | --- |\n";
  const DatabaseStats& halfway = result.minutes[(result.minutes.size() - 1) / 2].stats;
  const DatabaseStats& end = result.minutes.back().stats;
  for (const Relation& relation : end.relations) {
    int64_t most = SizeOf(result.before, relation.name);
    for (const SoakMinute& minute : result.minutes) {
      most = std::max(most, SizeOf(minute.stats, relation.name));
    }
    absl::StrAppend(&text, "| ", relation.name, relation.is_index ? " (index)" : "", " | ",
                    Bytes(SizeOf(result.before, relation.name)), " | ",
                    Bytes(SizeOf(halfway, relation.name)), " | ", Bytes(most), " | ",
                    Bytes(relation.bytes), " |\n");
  }
  absl::StrAppend(&text, "| all | ", Bytes(result.before.total_bytes), " | ",
                  Bytes(halfway.total_bytes), " | | ", Bytes(end.total_bytes), " |\n");
  return text;
}

std::string QuietTable(const SoakResult& result) {
  std::string text =
      "| read, nothing else running | p50, p99 at 10,000 tasks | with all loaded | after the load "
      "|\n| --- | --- | --- | --- |\n";
  const auto row = [&](const std::string& what, Percentiles ReadTimes::*of) {
    absl::StrAppend(&text, "| ", what);
    for (const ReadTimes* reads : {&result.reads_small, &result.reads_large, &result.reads_end}) {
      absl::StrAppend(&text, " | ", Milliseconds((reads->*of).median), ", ",
                      Milliseconds((reads->*of).p99));
    }
    absl::StrAppend(&text, " |\n");
  };
  row("List, first page of 100", &ReadTimes::list_first);
  row(absl::StrFormat("List, page of 100 at %d or %d tasks deep", result.small_depth,
                      result.large_depth),
      &ReadTimes::list_deep);
  row("Count of all namespaces", &ReadTimes::count);
  return text;
}

}  // namespace

std::string Bytes(int64_t bytes) {
  const auto amount = static_cast<double>(bytes);
  if (bytes >= 1'000'000'000) return absl::StrFormat("%.2f GB", amount / 1e9);
  return absl::StrFormat("%.1f MB", amount / 1e6);
}

std::string MinuteText(const SoakMinute& minute) {
  std::string text = absl::StrFormat(
      "minute %3d: %6.0f cycles/s, %d tasks (%d of the load), %s, %d dead, HOT %.0f %%, List first "
      "%s p99 %s, deep %s p99 %s, Count %s, Claim %s\n    ",
      minute.number, minute.cycles_per_second, minute.tasks, minute.load_tasks,
      Bytes(minute.stats.total_bytes), minute.stats.dead_tuples, 100 * minute.hot_share,
      Milliseconds(minute.reads.list_first.median), Milliseconds(minute.reads.list_first.p99),
      Milliseconds(minute.reads.list_deep.median), Milliseconds(minute.reads.list_deep.p99),
      Milliseconds(minute.reads.count.median), Milliseconds(minute.claim.median));
  for (const Relation& relation : minute.stats.relations) {
    if (relation.bytes < kSmall) continue;
    absl::StrAppend(&text, relation.name, " ", Bytes(relation.bytes));
    if (relation.dead_tuples > 0) absl::StrAppend(&text, " (", relation.dead_tuples, " dead)");
    absl::StrAppend(&text, "  ");
  }
  return text;
}

std::string SoakMarkdown(const SoakResult& result) {
  std::string text = VerdictTable(result);
  absl::StrAppendFormat(&text,
                        "\nLoaded: %d tasks by Batch(1000), %.0f a second overall, %.0f of the "
                        "last tenth.\n\n",
                        result.rows, result.created.overall, result.created.last_tenth);
  absl::StrAppend(&text, QuietTable(result), "\n", MinuteTable(result), "\n", SizeTable(result),
                  "\nPostgreSQL: ", absl::StrJoin(result.settings, ", "), ".\n");
  for (const auto& [what, count] : result.errors) {
    absl::StrAppend(&text, "\nWent wrong ", count, " times: ", what, "\n");
  }
  for (const std::string& mismatch : result.mismatches) {
    absl::StrAppend(&text, "\nCount is wrong: ", mismatch, "\n");
  }
  return text;
}

}  // namespace tracker::bench
