// Whether a soak met its targets. Pure.
#pragma once

#include <string>
#include <vector>

#include "tests/bench/soak_report.h"

namespace tracker::bench {

struct Verdict {
  std::string what;
  std::string target;
  std::string seen;
  bool met = false;
};

// At least one minute.
std::vector<Verdict> SoakVerdicts(const SoakResult& result);

}  // namespace tracker::bench
