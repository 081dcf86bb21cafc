// Gives back tasks that a claim handed out but nobody received, without costing them an attempt.
// Tries again while the store is away or busy; then the lease ends it.
//
// Thread-safe; Add does not block.
#pragma once

#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "src/domain/command.h"
#include "src/domain/task.h"
#include "src/service/lanes.h"

namespace tracker::service {

class GiveBackQueue {
 public:
  explicit GiveBackQueue(Lanes* lanes) : lanes_(lanes) {}
  GiveBackQueue(const GiveBackQueue&) = delete;
  GiveBackQueue& operator=(const GiveBackQueue&) = delete;

  // The tasks with their locks, as they were handed out.
  void Add(std::vector<domain::Task> tasks);
  // Tries again what could not be done; to be called about once a second.
  void Retry();

 private:
  struct Pending {
    domain::Command command;
    int tries = 0;
  };
  void Write(std::vector<Pending> batch);
  void Keep(Pending pending);

  Lanes* const lanes_;
  absl::Mutex mutex_;
  std::vector<Pending> pending_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tracker::service
