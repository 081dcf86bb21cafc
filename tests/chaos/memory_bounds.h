// How much memory a trackerd may take in these tests, whatever is done to it, and why.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>

#include "tests/support/process_memory.h"
#include "tests/support/trackerd_process.h"

namespace tracker::e2e {

inline constexpr int64_t kMebibyte = 1024 * 1024;

// gRPC may hold 512 MiB (--rpc-memory-mib). Each of two lanes may have queued 64 MiB, and answers
// that nobody takes are held up to 256 MiB (limits::kUnsentBytes); the program itself takes 40. No
// test needs all of them at once, and this is below their sum.
inline constexpr int64_t kMemoryBound = 768 * kMebibyte;
// A connection that does nothing: gRPC's transport with its buffers.
inline constexpr int64_t kConnectionBound = 64 * 1024;

// A sanitizer's memory is beside the point.
#ifdef TRACKER_SANITIZED
inline constexpr bool kMemoryCounts = false;
#else
inline constexpr bool kMemoryCounts = true;
#endif

// Fails the test where the server has ever taken more than `bound`; prints what it took.
inline void ExpectMemoryWithin(const testing::TrackerdProcess& server,
                               int64_t bound = kMemoryBound) {
  const testing::ProcessMemory memory = testing::MemoryOf(server.pid());
  std::printf("trackerd: %lld MiB, at most %lld MiB\n",
              static_cast<long long>(memory.resident / kMebibyte),
              static_cast<long long>(memory.peak / kMebibyte));
  EXPECT_GT(memory.peak, 0) << "it has ended";
  if (kMemoryCounts) EXPECT_LT(memory.peak, bound);
}

}  // namespace tracker::e2e
