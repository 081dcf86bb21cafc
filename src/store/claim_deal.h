// How the tasks of one step of Claim are dealt to those who wait: one each in turn, so that none
// goes without while another gets a second. Not thread-safe; one thread builds and asks it.
#pragma once

#include <cstddef>
#include <vector>

#include "src/store/store.h"

namespace tracker::store {

class ClaimDeal {
 public:
  explicit ClaimDeal(const std::vector<ClaimOrder>& orders);

  // How many tasks the orders still want.
  int wanted() const { return wanted_; }
  // This order takes no (more) tasks.
  void Close(size_t order);
  // Who gets the next task, which has this domain::ByteSize; orders.size(): nobody, as nobody has
  // room for it.
  size_t Deal(size_t bytes);

 private:
  struct Hand {
    int wanted = 0;
    size_t room = 0;
    bool empty = true;
  };
  std::vector<Hand> hands_;
  int wanted_ = 0;
  size_t next_ = 0;
};

}  // namespace tracker::store
