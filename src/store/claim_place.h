// A place among the claimable tasks of a namespace, in the order in which they are claimed: where a
// step of Claim ended, and the next goes on. Its text is ClaimQuery::from and ClaimAnswer::next.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/statusor.h"

namespace tracker::store {

struct ClaimPlace {
  // The priority with its sign turned, so that one ascending order serves. Before all tasks, at
  // first.
  int64_t rank = std::numeric_limits<int64_t>::min();
  int64_t available_us = 0;
  std::string id;
};

std::string EncodeClaimPlace(const ClaimPlace& place);

// The first place for an empty text. InvalidArgument for one that EncodeClaimPlace did not make.
absl::StatusOr<ClaimPlace> DecodeClaimPlace(const std::string& text);

}  // namespace tracker::store
