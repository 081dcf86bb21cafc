// One unary call on its way: owns what must live until gRPC is done with it, tells the service when
// nobody waits any more, and finishes exactly once.
//
// Made by a handler, returned to gRPC as the call's reactor, deletes itself. Exactly one of Answer
// and Refuse must be called, once, from any thread; nothing may touch the call afterwards.
#pragma once

#include <atomic>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "server/unsent_answers.h"
#include "src/domain/command.h"
#include "src/service/tracker.h"

namespace tracker::server {

class Call final : public grpc::ServerUnaryReactor {
 public:
  // `method` is a constant of the program. `response` is gRPC's, until the call is finished. With
  // `writes` its answer is never turned away for want of room: it says what has been done.
  Call(absl::string_view method, grpc::CallbackServerContext* context, grpc::ByteBuffer* response,
       bool writes = false);

  // Refuses the call, before it has cost anything, while there is no room for a large answer.
  // Whether it did.
  bool RefuseIfFull();

  service::CallContext Context() const;

  // `undelivered` is called at the end if the answer reached nobody, as far as the server can tell;
  // on any thread, and must not block. None: there is nothing to undo.
  void Answer(const google::protobuf::Message& message,
              absl::AnyInvocable<void()> undelivered = nullptr);
  void Refuse(const google::rpc::Status& error);
  // Logs what should not happen.
  void Refuse(const domain::Outcome& outcome);
  void Refuse(const absl::Status& status);

 private:
  ~Call() override = default;
  void OnDone() override;
  // OnDone does not block, so it may run on whichever thread ends the call. Without this, gRPC
  // hands it to its executor: a thread switch for every call. gRPC's own DefaultReactor does the
  // same; where a version of gRPC lacks the method, this is one that nobody calls.
  bool InternalInlineable() { return true; }  // NOLINT(modernize-use-override)
  void OnCancel() override { cancelled_->store(true, std::memory_order_relaxed); }

  const absl::string_view method_;
  grpc::CallbackServerContext* const context_;
  grpc::ByteBuffer* const response_;
  const bool writes_;
  const std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);
  // Set before Finish, read at the end.
  absl::AnyInvocable<void()> undelivered_;
  bool refused_ = false;
  UnsentAnswers::Hold unsent_;
};

// Adds the trailer by which clients put off their repeats, where the error says for how long.
void AddPushback(const google::rpc::Status& error, grpc::CallbackServerContext* context);

// An event for the log when the outcome is one that should not happen.
void LogUnexpected(absl::string_view method, const domain::Outcome& outcome);

}  // namespace tracker::server
