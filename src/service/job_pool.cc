#include "src/service/job_pool.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/monotonic.h"
#include "src/service/lane.h"

namespace tracker::service {

using domain::Reason;

namespace {

// How often a waiting job looks whether its caller is still there, and the server goes on.
constexpr absl::Duration kLook = absl::Milliseconds(50);

}  // namespace

class JobPool::Control final : public JobControl {
 public:
  Control(JobPool* pool, CallContext context) : pool_(*pool), context_(std::move(context)) {}

  absl::Status Check() override { return Wait(absl::ZeroDuration()); }

  absl::Status Wait(absl::Duration duration) override {
    const base::MonotonicTime end = base::MonotonicNow() + duration;
    while (true) {
      const base::MonotonicTime now = base::MonotonicNow();
      switch (WhyDropped(context_, now)) {
        case Reason::kCancelled: return absl::CancelledError("the caller has gone");
        case Reason::kDeadlineExceeded:
          return absl::DeadlineExceededError("the deadline passed before the job was done");
        default: break;
      }
      {
        absl::MutexLock lock(&pool_.mutex_);
        if (pool_.stopping_) return absl::UnavailableError("the server is stopping");
      }
      if (now >= end) return absl::OkStatus();
      base::SleepFor(std::min(end - now, kLook));
    }
  }

 private:
  JobPool& pool_;
  const CallContext context_;
};

JobPool::JobPool(int threads) : free_(threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

JobPool::~JobPool() { Stop(); }

absl::Status JobPool::Submit(CallContext context, Job& job) {
  absl::MutexLock lock(&mutex_);
  if (stopping_) return absl::UnavailableError("the server is stopping");
  if (free_ == 0) {
    return absl::ResourceExhaustedError(absl::StrCat(
        threads_.size(), " jobs are running already, which is as many as may; try again later"));
  }
  --free_;
  submitted_.push_back({std::move(context), std::move(job)});
  return absl::OkStatus();
}

void JobPool::Run() {
  while (true) {
    Submitted next;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &JobPool::HasWork));
      // What has been taken is told that the server stops.
      if (submitted_.empty()) return;
      next = std::move(submitted_.front());
      submitted_.pop_front();
    }
    Control control(this, std::move(next.context));
    next.job(control);
    absl::MutexLock lock(&mutex_);
    ++free_;
  }
}

void JobPool::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

}  // namespace tracker::service
