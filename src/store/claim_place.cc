#include "src/store/claim_place.h"

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace tracker::store {

std::string EncodeClaimPlace(const ClaimPlace& place) {
  return absl::StrCat(place.rank, " ", place.available_us, " ", place.id);
}

absl::StatusOr<ClaimPlace> DecodeClaimPlace(const std::string& text) {
  ClaimPlace place;
  if (text.empty()) return place;
  const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits(' ', 2));
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &place.rank) ||
      !absl::SimpleAtoi(parts[1], &place.available_us)) {
    return absl::InvalidArgumentError("no such place to go on claiming from");
  }
  place.id = parts[2];
  return place;
}

}  // namespace tracker::store
