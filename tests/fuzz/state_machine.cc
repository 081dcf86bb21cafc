// Bytes choose a sequence of commands on one task, which tests/unit holds to what must always be
// so. libFuzzer keeps the choices that lead into new branches of the state machine.
#include <fuzzer/FuzzedDataProvider.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "tests/unit/command_sequence.h"

// Enough for a task's whole life several times over: the fuzzer would rather have many short ones.
constexpr size_t kMaxSteps = 60;
// About what a step takes; without bytes the choice is always the same.
constexpr size_t kBytesOfAStep = 8;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  FuzzedDataProvider choices(bytes, size);
  const int steps = static_cast<int>(std::min(kMaxSteps, size / kBytesOfAStep + 1));
  tracker::domain::testing::RunCommandSequence(
      [&choices](int n) { return choices.ConsumeIntegralInRange(0, n - 1); }, steps);
  // GoogleTest has said what, and after which commands.
  if (::testing::Test::HasFailure()) std::abort();
  return 0;
}
