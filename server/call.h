// One unary call on its way: owns what must live until gRPC is done with it, tells the service when
// nobody waits any more, and finishes exactly once.
//
// Made by a handler, returned to gRPC as the call's reactor, deletes itself. Exactly one of Answer
// and Refuse must be called, once, from any thread; nothing may touch the call afterwards.
#pragma once

#include <atomic>
#include <memory>

#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "src/domain/command.h"
#include "src/service/tracker.h"

namespace tracker::server {

class Call final : public grpc::ServerUnaryReactor {
 public:
  // `method` is a constant of the program. `response` is gRPC's, until the call is finished.
  Call(absl::string_view method, grpc::CallbackServerContext* context, grpc::ByteBuffer* response);

  service::CallContext Context() const;

  void Answer(const google::protobuf::Message& message);
  void Refuse(const google::rpc::Status& error);
  // Logs what should not happen.
  void Refuse(const domain::Outcome& outcome);
  void Refuse(const absl::Status& status);

 private:
  ~Call() override = default;
  void OnDone() override { delete this; }
  // OnDone only frees memory, so it may run on whichever thread ends the call. Without this, gRPC
  // hands it to its executor: a thread switch for every call. gRPC's own DefaultReactor does the
  // same; where a version of gRPC lacks the method, this is one that nobody calls.
  bool InternalInlineable() { return true; }  // NOLINT(modernize-use-override)
  void OnCancel() override { cancelled_->store(true, std::memory_order_relaxed); }

  const absl::string_view method_;
  grpc::CallbackServerContext* const context_;
  grpc::ByteBuffer* const response_;
  const std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);
};

// An event for the log when the outcome is one that should not happen.
void LogUnexpected(absl::string_view method, const domain::Outcome& outcome);

}  // namespace tracker::server
