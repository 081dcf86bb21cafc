#include "tests/bench/soak_verdicts.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace tracker::bench {
namespace {

constexpr double kThroughputKept = 0.85;
// What the second half of the run may add to the size: by its middle all that is kept is there.
constexpr double kGrowth = 1.10;
constexpr double kListRatio = 2;
constexpr absl::Duration kCountLimit = absl::Milliseconds(2);

Verdict Throughput(const SoakResult& result) {
  const double first = result.minutes.front().cycles_per_second;
  const double last = result.minutes.back().cycles_per_second;
  return {.what = "throughput, last minute to first",
          .target = absl::StrFormat("at least %.2f", kThroughputKept),
          .seen = absl::StrFormat("%.0f/s to %.0f/s: %.2f", last, first, last / first),
          .met = last >= kThroughputKept * first};
}

Verdict Size(const SoakResult& result) {
  const size_t half = (result.minutes.size() + 1) / 2;
  int64_t first_half = 0, second_half = 0;
  for (size_t i = 0; i < result.minutes.size(); ++i) {
    int64_t& most = i < half ? first_half : second_half;
    most = std::max(most, result.minutes[i].stats.total_bytes);
  }
  return {.what = "tables and indexes, most of the second half to most of the first",
          .target = absl::StrFormat("at most %.2f", kGrowth),
          .seen = absl::StrFormat(
              "%s to %s: %.2f (before the load %s)", Bytes(second_half), Bytes(first_half),
              static_cast<double>(second_half) / static_cast<double>(first_half),
              Bytes(result.before.total_bytes)),
          .met = static_cast<double>(second_half) <= kGrowth * static_cast<double>(first_half)};
}

Verdict ListPage(const SoakResult& result, const std::string& what, Percentiles ReadTimes::*of) {
  const absl::Duration small = (result.reads_small.*of).median;
  const absl::Duration large =
      std::max((result.reads_large.*of).median, (result.reads_end.*of).median);
  return {.what = absl::StrCat(what, " p50, at ", result.rows,
                               " tasks (the worse of before and "
                               "after the load) to at ",
                               kSmallRows),
          .target = absl::StrFormat("at most %.0f", kListRatio),
          .seen = absl::StrFormat("%s to %s: %.2f", Milliseconds(large), Milliseconds(small),
                                  absl::FDivDuration(large, small)),
          .met = large <= kListRatio * small};
}

Verdict Count(const SoakResult& result) {
  absl::Duration loaded;
  for (const SoakMinute& minute : result.minutes) {
    loaded = std::max(loaded, minute.reads.count.median);
  }
  const absl::Duration quiet =
      std::max(result.reads_large.count.median, result.reads_end.count.median);
  return {.what = "Count p50, nothing else running",
          .target = absl::StrCat("under ", Milliseconds(kCountLimit)),
          .seen = absl::StrCat(Milliseconds(quiet),
                               " (worst minute of the load: ", Milliseconds(loaded), ")"),
          .met = quiet < kCountLimit};
}

}  // namespace

std::vector<Verdict> SoakVerdicts(const SoakResult& result) {
  int64_t errors = 0;
  for (const auto& [what, count] : result.errors) errors += count;
  return {Throughput(result),
          Size(result),
          ListPage(result, "List, first page", &ReadTimes::list_first),
          ListPage(result, "List, deep page", &ReadTimes::list_deep),
          Count(result),
          {.what = "counters that CheckCounts finds wrong",
           .target = "none",
           .seen = absl::StrCat(result.mismatches.size(), " (of ", result.checked_tasks, " tasks)"),
           .met = result.mismatches.empty()},
          {.what = "calls that went wrong",
           .target = "none",
           .seen = absl::StrCat(errors),
           .met = errors == 0}};
}

}  // namespace tracker::bench
