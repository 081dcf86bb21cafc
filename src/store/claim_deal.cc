#include "src/store/claim_deal.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace tracker::store {

ClaimDeal::ClaimDeal(const std::vector<ClaimOrder>& orders) {
  absl::flat_hash_map<absl::string_view, size_t> tokens;
  hands_.reserve(orders.size());
  for (size_t i = 0; i < orders.size(); ++i) {
    const auto [first, is_new] = tokens.emplace(orders[i].token, i);
    if (!is_new) repeats_.emplace_back(i, first->second);
    hands_.push_back(
        {.wanted = is_new ? std::max(0, orders[i].limit) : 0, .room = orders[i].byte_limit});
    wanted_ += hands_.back().wanted;
    longest_worker_ = std::max(longest_worker_, orders[i].worker.size());
  }
}

size_t ClaimDeal::SizeOf(const domain::Task& task) const {
  return domain::ByteSize(task) - task.worker.size() + longest_worker_;
}

void ClaimDeal::CopyRepeats(ClaimAnswer* answer) const {
  for (const auto& [repeat, first] : repeats_) {
    answer->tasks[repeat] = answer->tasks[first];
    answer->recalls[repeat] = answer->recalls[first];
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
