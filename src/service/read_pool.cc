#include "src/service/read_pool.h"

#include <optional>
#include <utility>

#include "src/base/limits.h"
#include "src/base/monotonic.h"
#include "src/service/lane.h"

namespace tracker::service {

using domain::Reason;

ReadPool::ReadPool(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

ReadPool::~ReadPool() { Stop(); }

void ReadPool::Submit(CallContext context, Job job) {
  Reason refused = Reason::kOk;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) {
      refused = Reason::kStoreUnavailable;
    } else if (queue_.size() >= limits::kReadQueue) {
      refused = Reason::kOverloaded;
    } else {
      queue_.push_back({std::move(context), std::move(job)});
      return;
    }
  }
  job(refused);
}

void ReadPool::Run() {
  while (true) {
    std::optional<Waiting> next;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(
          +[](ReadPool* pool) ABSL_EXCLUSIVE_LOCKS_REQUIRED(pool->mutex_) {
            return pool->stopping_ || !pool->queue_.empty();
          },
          this));
      if (queue_.empty()) return;
      next = std::move(queue_.front());
      queue_.pop_front();
    }
    next->job(WhyDropped(next->context, base::MonotonicNow()));
  }
}

void ReadPool::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

}  // namespace tracker::service
