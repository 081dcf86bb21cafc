// What a soak saw, and how it is told. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/bench/create.h"
#include "tests/bench/database_stats.h"
#include "tests/bench/latencies.h"
#include "tests/bench/read_probe.h"

namespace tracker::bench {

struct SoakMinute {
  // From 1.
  int number = 0;
  double cycles_per_second = 0;
  // Of all namespaces, and of the mixed load's.
  int64_t tasks = 0;
  int64_t load_tasks = 0;
  DatabaseStats stats;
  // Of the updates of tracker.task in this minute.
  double hot_share = 0;
  // Under the load.
  ReadTimes reads;
  Percentiles claim;
};

struct SoakResult {
  int64_t rows = 0;
  std::vector<std::string> settings;
  CreateRates created;
  // The reads while nothing else ran: at kSmallRows tasks, at `rows`, and after the load.
  ReadTimes reads_small;
  ReadTimes reads_large;
  ReadTimes reads_end;
  int64_t small_depth = 0;
  int64_t large_depth = 0;
  DatabaseStats before;
  std::vector<SoakMinute> minutes;
  // What went wrong, and how often.
  std::map<std::string, int64_t> errors;
  int64_t checked_tasks = 0;
  std::vector<std::string> mismatches;
};

// How many tasks the first measurement of the reads is made at.
inline constexpr int64_t kSmallRows = 10'000;

// One line, and an indented one with the sizes of what is not small.
std::string MinuteText(const SoakMinute& minute);

// Sections and tables for docs/performance.md: targets, minutes, sizes, settings. At least one
// minute.
std::string SoakMarkdown(const SoakResult& result);

// "1.2 GB"
std::string Bytes(int64_t bytes);

}  // namespace tracker::bench
