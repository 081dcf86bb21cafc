// One call of Tracker::Write while its commands are on their way through the lanes. Thread-safe:
// each index is finished once, by any thread; the last one to finish calls back.
#pragma once

#include <atomic>
#include <utility>
#include <vector>

#include "src/domain/command.h"
#include "src/service/tracker.h"

namespace tracker::service {

class WriteCall {
 public:
  WriteCall(size_t commands, CallContext context, Tracker::OutcomesCallback done)
      : context_(std::move(context)),
        done_(std::move(done)),
        outcomes_(commands),
        unfinished_(commands) {}

  const CallContext& context() const { return context_; }

  void Finish(size_t index, domain::Outcome outcome) {
    outcomes_[index] = std::move(outcome);
    // The last one sees what all the others wrote.
    if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) done_(std::move(outcomes_));
  }

 private:
  const CallContext context_;
  Tracker::OutcomesCallback done_;
  std::vector<domain::Outcome> outcomes_;
  std::atomic<size_t> unfinished_;
};

}  // namespace tracker::service
