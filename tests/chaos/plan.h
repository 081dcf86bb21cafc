// Which faults happen when: drawn from a seed before the run begins, so that a run can be had again
// and read off its output. What the processes do between two faults is up to the machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/chaos/faults.h"

namespace tracker::chaos {

struct Event {
  const Fault* fault = nullptr;
  // From the run's begin.
  absl::Duration at;
  absl::Duration length;
  // What the fault itself draws from.
  uint64_t seed = 0;
  // Which episode it belongs to. Faults of one episode come together; between two episodes there is
  // quiet, in which service must come back.
  int episode = 0;
};

// Fills `length` with episodes of the faults, each of them about equally often, most of them alone
// and the rest two or three at once.
std::vector<Event> MakePlan(const std::vector<const Fault*>& faults, absl::Duration length,
                            uint64_t seed);

// One line.
std::string Show(const Event& event);

}  // namespace tracker::chaos
