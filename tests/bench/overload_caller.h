// A caller that a server may turn away, and what such callers count. For RunAsyncCallers.
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/random/random.h"
#include "tests/bench/load_run.h"
#include "tests/bench/rpc.h"

namespace tracker::bench {

// What all callers of such a run share.
struct OverloadRun : Run {
  OverloadRun(const LoadOptions& options, absl::Duration deadline)
      : Run(options), deadline(deadline) {}

  // Of each call.
  const absl::Duration deadline;
  // Calls that were answered OK, with OVERLOADED, or not before their deadline, in the time that is
  // measured.
  std::atomic<int64_t> answered{0};
  std::atomic<int64_t> overloaded{0};
  std::atomic<int64_t> too_late{0};

  void Count(std::atomic<int64_t>& counter) {
    const absl::Time now = absl::Now();
    if (now >= measure_from && now < end) ++counter;
  }
};

// Starts one task after another and finishes it. Turned away with OVERLOADED it waits for as long
// as it was told, and asks again; when the deadline of a call is over it leaves that task, and
// after a random pause takes the next, as if new work had come. Any other refusal ends the run.
class OverloadCaller {
 public:
  OverloadCaller(OverloadRun* run, v1::TrackerService::Stub* stub, grpc::CompletionQueue* queue)
      : run_(run), stub_(stub), queue_(queue) {}

  bool Begin();
  bool Answered();

 private:
  bool Send();
  bool OnRefusal();
  void Pause(absl::Duration duration);

  OverloadRun* const run_;
  v1::TrackerService::Stub* const stub_;
  grpc::CompletionQueue* const queue_;
  absl::Time began_;
  // Which call is under way, or is sent when the pause is over.
  bool starting_ = false;
  bool pausing_ = false;
  // The next task is begun after the pause.
  bool leaving_ = false;
  absl::BitGen random_;
  grpc::Alarm pause_;
  std::optional<BoundedContext> context_;
  grpc::Status status_;
  v1::StartRequest start_;
  v1::StartResponse start_response_;
  v1::SucceedRequest succeed_;
  v1::SucceedResponse succeed_response_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::StartResponse>> start_call_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::SucceedResponse>> succeed_call_;
};

}  // namespace tracker::bench
