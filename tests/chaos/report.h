// What a run saw, in numbers, and how long service was away after each fault.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/chaos/history.h"
#include "tests/chaos/plan.h"

namespace tracker::chaos {

// A fault as it happened, in microseconds of the monotonic clock.
struct Happened {
  const Event* event = nullptr;
  int64_t begin_us = 0;
  int64_t end_us = 0;
  // Why it could not be brought about or put right; empty: it was.
  std::string trouble;
};

// Calls by kind and what they were told, unanswered ones and their repeats, takeovers, attempts.
std::string ShowCalls(const std::vector<Exchange>& history);

// For each fault: how often alone and with others, and how long it took, from the end of those that
// came alone, until each server had acknowledged a write that was asked of it after that end.
std::string ShowFaults(const std::vector<Exchange>& history, const std::vector<Happened>& happened);

}  // namespace tracker::chaos
