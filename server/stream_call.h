// One server-streaming call on its way: the progress of a job, and in the end its last message or
// why it ended. Tells the service when nobody waits any more, and sends something at least once a
// second, by which a lost connection is noticed.
//
// Made by a handler, returned to gRPC as the call's reactor, deletes itself. Exactly one of Finish
// and Refuse must be called, once, from any thread; nothing may touch the call afterwards. Never
// waits for a slow reader: of the progress that it could not take only the latest is sent.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "google/protobuf/message.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "src/service/tracker.h"

namespace tracker::server {

class StreamCall final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  // `method` is a constant of the program. `first` is what is sent until there is progress.
  StreamCall(absl::string_view method, grpc::CallbackServerContext* context,
             const google::protobuf::Message& first);

  service::CallContext Context() const;

  // What is sent at the next interval.
  void Progress(const google::protobuf::Message& message);
  void Finish(const google::protobuf::Message& last);
  void Refuse(const google::rpc::Status& error);
  // Logs what should not happen.
  void Refuse(const absl::Status& status);

 private:
  ~StreamCall() override = default;
  void OnCancel() override { cancelled_->store(true, std::memory_order_relaxed); }
  void OnWriteDone(bool ok) override;
  void OnDone() override;

  // Sends the latest. False: the job has ended, and the call may be gone.
  bool Tick();
  void End(grpc::Status status, std::optional<grpc::ByteBuffer> last);
  // Once, when the job has ended and nothing is being written.
  void SendEnd();
  // Deletes the call when both gRPC and the ticker are done with it.
  void Unref();

  const absl::string_view method_;
  grpc::CallbackServerContext* const context_;
  const std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);
  std::atomic<int> refs_{2};

  absl::Mutex mutex_;
  grpc::ByteBuffer latest_ ABSL_GUARDED_BY(mutex_);
  // gRPC's while it is being written.
  grpc::ByteBuffer writing_;
  bool is_writing_ ABSL_GUARDED_BY(mutex_) = false;
  // Set once the job has ended.
  std::optional<grpc::Status> end_ ABSL_GUARDED_BY(mutex_);
  std::optional<grpc::ByteBuffer> last_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tracker::server
