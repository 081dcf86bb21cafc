// How the tasks of one step of Claim are dealt to those who wait: one each in turn, so that none
// goes without while another gets a second. Not thread-safe; one thread builds and asks it.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "src/store/store.h"

namespace tracker::store {

class ClaimDeal {
 public:
  // An order with the token of an earlier one is the same claim, sent twice: it is dealt nothing of
  // its own (CopyRepeats).
  explicit ClaimDeal(const std::vector<ClaimOrder>& orders);

  // How many tasks the orders still want.
  int wanted() const { return wanted_; }
  // This order takes no (more) tasks.
  void Close(size_t order);
  // The domain::ByteSize of the task once it is handed out, to whomever.
  size_t SizeOf(const domain::Task& task) const;
  // Who gets the next task, which has this size; orders.size(): nobody, as nobody has room for it.
  size_t Deal(size_t bytes);

  // In the end: an order that repeats another one's token gets what that has got.
  void CopyRepeats(ClaimAnswer* answer) const;

 private:
  struct Hand {
    int wanted = 0;
    size_t room = 0;
    bool empty = true;
  };
  std::vector<Hand> hands_;
  // Orders with the token of an earlier one, and that one.
  std::vector<std::pair<size_t, size_t>> repeats_;
  size_t longest_worker_ = 0;
  int wanted_ = 0;
  size_t next_ = 0;
};

}  // namespace tracker::store
