#include "server/stream_call.h"

#include <chrono>
#include <utility>

#include "server/call.h"
#include "server/errors.h"
#include "server/logging.h"
#include "server/ticker.h"
#include "server/wire.h"
#include "src/base/monotonic.h"

namespace tracker::server {
namespace {

grpc::ByteBuffer BytesOf(const google::protobuf::Message& message) {
  grpc::ByteBuffer bytes;
  Serialize(message, &bytes);  // A few numbers: nothing that could fail.
  return bytes;
}

}  // namespace

StreamCall::StreamCall(absl::string_view method, grpc::CallbackServerContext* context,
                       const google::protobuf::Message& first)
    : method_(method), context_(context) {
  {
    absl::MutexLock lock(&mutex_);
    latest_ = BytesOf(first);
  }
  Ticker::Shared().Add([this] { return Tick(); });
}

service::CallContext StreamCall::Context() const {
  return {.deadline = base::MonotonicFromWall(absl::FromChrono(context_->deadline())),
          .cancelled = cancelled_};
}

void StreamCall::Progress(const google::protobuf::Message& message) {
  grpc::ByteBuffer bytes = BytesOf(message);
  absl::MutexLock lock(&mutex_);
  latest_.Swap(&bytes);
}

void StreamCall::Finish(const google::protobuf::Message& last) {
  End(grpc::Status::OK, BytesOf(last));
}

void StreamCall::Refuse(const google::rpc::Status& error) {
  AddPushback(error, context_);
  End(ToGrpc(error), std::nullopt);
}

void StreamCall::Refuse(const absl::Status& status) {
  const google::rpc::Status error = ErrorOf(status);
  if (error.code() == grpc::StatusCode::INTERNAL) {
    Log(LogLevel::kError, "internal_error",
        {{"method", std::string(method_)}, {"message", std::string(status.message())}});
  }
  Refuse(error);
}

bool StreamCall::Tick() {
  {
    absl::MutexLock lock(&mutex_);
    if (!end_) {
      if (!is_writing_) {
        is_writing_ = true;
        writing_ = latest_;
        StartWrite(&writing_);
      }
      return true;
    }
  }
  Unref();
  return false;
}

void StreamCall::OnWriteDone(bool ok) {
  {
    absl::MutexLock lock(&mutex_);
    is_writing_ = false;
    // Nobody reads any more, which OnCancel tells, too.
    if (!ok) cancelled_->store(true, std::memory_order_relaxed);
    if (!end_) return;
  }
  SendEnd();
}

void StreamCall::End(grpc::Status status, std::optional<grpc::ByteBuffer> last) {
  {
    absl::MutexLock lock(&mutex_);
    end_ = std::move(status);
    last_ = std::move(last);
    if (is_writing_) return;
  }
  SendEnd();
}

void StreamCall::SendEnd() {
  grpc::Status status;
  bool has_last = false;
  {
    absl::MutexLock lock(&mutex_);
    status = *end_;
    has_last = last_.has_value();
    if (has_last) writing_ = *last_;
  }
  if (has_last) {
    StartWriteAndFinish(&writing_, grpc::WriteOptions(), std::move(status));
  } else {
    ServerWriteReactor::Finish(std::move(status));
  }
}

// What is gRPC's goes now: the ticker may come after gRPC is shut down.
void StreamCall::OnDone() {
  {
    absl::MutexLock lock(&mutex_);
    latest_.Clear();
    writing_.Clear();
    last_.reset();
  }
  Unref();
}

void StreamCall::Unref() {
  if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

}  // namespace tracker::server
