#include "src/store/claim_deal.h"

#include <algorithm>

namespace tracker::store {

ClaimDeal::ClaimDeal(const std::vector<ClaimOrder>& orders) {
  hands_.reserve(orders.size());
  for (const ClaimOrder& order : orders) {
    hands_.push_back({.wanted = std::max(0, order.limit), .room = order.byte_limit});
    wanted_ += hands_.back().wanted;
  }
}

void ClaimDeal::Close(size_t order) {
  wanted_ -= hands_[order].wanted;
  hands_[order].wanted = 0;
}

size_t ClaimDeal::Deal(size_t bytes) {
  for (size_t turn = 0; turn < hands_.size(); ++turn) {
    const size_t order = (next_ + turn) % hands_.size();
    Hand& hand = hands_[order];
    if (hand.wanted == 0) continue;
    if (bytes > hand.room && !hand.empty) {
      Close(order);
      continue;
    }
    hand.room -= std::min(hand.room, bytes);
    hand.empty = false;
    hand.wanted -= 1;
    wanted_ -= 1;
    next_ = (order + 1) % hands_.size();
    return order;
  }
  return hands_.size();
}

}  // namespace tracker::store
