// How much one Batch may carry, and how its results are read.
#pragma once

#include <cstddef>

#include "absl/status/statusor.h"
#include "client/wire/tracker.pb.h"

namespace tracker::internal {

// The server takes at most this many operations in a Batch.
inline constexpr size_t kBatchOperations = 1000;
// The server takes at most 4 MiB in a request; this leaves room for an operation of the largest
// size.
inline constexpr size_t kBatchBytes = 3 * 1024 * 1024;

// About what the operation adds to the size of a Batch.
inline size_t BatchBytes(const v1::Operation& operation) { return operation.ByteSizeLong() + 16; }

// How much more there is room for in one Batch. The first operation always fits.
class BatchRoom {
 public:
  explicit BatchRoom(size_t operations = kBatchOperations) : operations_(operations) {}

  // False: this one, of so many BatchBytes, has to wait for the next Batch.
  bool Take(size_t bytes) {
    if (taken_ > 0 && (taken_ == operations_ || bytes_ + bytes > kBatchBytes)) return false;
    ++taken_;
    bytes_ += bytes;
    return true;
  }

 private:
  const size_t operations_;
  size_t taken_ = 0;
  size_t bytes_ = 0;
};

// The result of the operation at `index`. Leaves the answer without it.
absl::StatusOr<v1::Task> TakeResult(absl::StatusOr<v1::BatchResponse>& answer, size_t index);

}  // namespace tracker::internal
