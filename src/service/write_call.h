// One call of Tracker::Write while its commands are on their way through the lanes. Thread-safe:
// each index is finished once, by any thread; the last one to finish calls back.
//
// A call of many commands holds no more of its tasks' data and errors than an answer has room for:
// a thousand commands on large tasks would else be hundreds of megabytes, for 4 MiB that are sent.
#pragma once

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "src/base/limits.h"
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

  // Whether there is room in the answer for the data and errors of another task.
  bool WantsDocuments() const {
    return outcomes_.size() == 1 ||
           held_bytes_.load(std::memory_order_relaxed) < limits::kAnswerBytes;
  }

  void Finish(size_t index, domain::Outcome outcome) {
    // A refusal shows neither data nor errors.
    if (outcome.task && outcomes_.size() > 1 && (!outcome.ok() || !HasRoom(*outcome.task))) {
      outcome.task->data = std::string();
      outcome.task->errors = std::vector<domain::TaskError>();
      outcome.truncated = true;
    }
    outcomes_[index] = std::move(outcome);
    // The last one sees what all the others wrote.
    if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) done_(std::move(outcomes_));
  }

 private:
  bool HasRoom(const domain::Task& task) {
    if (task.data.empty() && task.errors.empty()) return true;
    const size_t size = domain::ByteSize(task);
    return held_bytes_.fetch_add(size, std::memory_order_relaxed) + size <= limits::kAnswerBytes;
  }

  const CallContext context_;
  Tracker::OutcomesCallback done_;
  std::vector<domain::Outcome> outcomes_;
  std::atomic<size_t> unfinished_;
  std::atomic<size_t> held_bytes_{0};
};

}  // namespace tracker::service
