// Random sequences of commands on one task against what must hold whatever happens. The seed is
// fixed and printed; TRACKER_TEST_SEED replaces it.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "absl/strings/str_cat.h"
#include "tests/unit/command_sequence.h"

namespace tracker::domain::testing {
namespace {

constexpr int kSequences = 500;
constexpr int kSteps = 60;

uint64_t Seed() {
  const char* given = std::getenv("TRACKER_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 20260101;
}

TEST(TransitionRandomTest, InvariantsHoldOverRandomSequences) {
  const uint64_t seed = Seed();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  for (int i = 0; i < kSequences && !HasFailure(); ++i) {
    SCOPED_TRACE(absl::StrCat("seed ", seed, ", sequence ", i));
    std::mt19937_64 random(seed + i);
    RunCommandSequence(
        [&random](int n) { return std::uniform_int_distribution<int>(0, n - 1)(random); }, kSteps);
  }
}

}  // namespace
}  // namespace tracker::domain::testing
