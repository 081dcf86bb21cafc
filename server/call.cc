#include "server/call.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "grpcpp/server_context.h"
#include "server/errors.h"
#include "server/logging.h"
#include "server/wire.h"
#include "server/wire_time.h"
#include "src/base/limits.h"
#include "src/base/monotonic.h"

namespace tracker::server {
namespace {

// How long a client is to wait before it repeats an overloaded call. None: not overloaded.
std::optional<absl::Duration> PushbackOf(const google::rpc::Status& error) {
  if (error.code() != grpc::StatusCode::RESOURCE_EXHAUSTED) return std::nullopt;
  google::rpc::RetryInfo retry;
  for (const google::protobuf::Any& detail : error.details()) {
    if (!detail.UnpackTo(&retry)) continue;
    const absl::StatusOr<absl::Duration> delay = FromProto(retry.retry_delay());
    if (delay.ok()) return *delay;
  }
  return std::nullopt;
}

absl::Status TooManyUnsent() {
  return absl::ResourceExhaustedError("too many answers wait for callers that do not read them");
}

}  // namespace

Call::Call(absl::string_view method, grpc::CallbackServerContext* context,
           grpc::ByteBuffer* response, bool writes)
    : method_(method), context_(context), response_(response), writes_(writes) {}

service::CallContext Call::Context() const {
  return {.deadline = base::MonotonicFromWall(absl::FromChrono(context_->deadline())),
          .cancelled = cancelled_};
}

void Call::Answer(const google::protobuf::Message& message,
                  absl::AnyInvocable<void()> undelivered) {
  undelivered_ = std::move(undelivered);
  refused_ = true;
  const size_t bytes = message.ByteSizeLong();
  if (bytes > limits::kRequestBytes) return Refuse(AnswerTooLarge());
  if (!UnsentAnswers::Shared().TryHold(bytes, /*refusable=*/!writes_, context_, &unsent_)) {
    return Refuse(TooManyUnsent());
  }
  if (!Serialize(message, response_))
    return Refuse(absl::InternalError("the answer cannot be serialized"));
  refused_ = false;
  Finish(grpc::Status::OK);
}

void Call::OnDone() {
  if (undelivered_ && (refused_ || context_->IsCancelled())) undelivered_();
  delete this;
}

bool Call::RefuseIfFull() {
  if (!UnsentAnswers::Shared().IsFull()) return false;
  Refuse(TooManyUnsent());
  return true;
}

void Call::Refuse(const google::rpc::Status& error) {
  AddPushback(error, context_);
  Finish(ToGrpc(error));
}

void Call::Refuse(const domain::Outcome& outcome) {
  LogUnexpected(method_, outcome);
  Refuse(ErrorOf(outcome));
}

void Call::Refuse(const absl::Status& status) {
  const google::rpc::Status error = ErrorOf(status);
  if (error.code() == grpc::StatusCode::INTERNAL) {
    Log(LogLevel::kError, "internal_error",
        {{"method", std::string(method_)}, {"message", std::string(status.message())}});
  }
  Refuse(error);
}

void AddPushback(const google::rpc::Status& error, grpc::CallbackServerContext* context) {
  if (const auto pushback = PushbackOf(error)) {
    context->AddTrailingMetadata(
        kPushbackTrailer, absl::StrCat(std::max<int64_t>(absl::ToInt64Milliseconds(*pushback), 1)));
  }
}

void LogUnexpected(absl::string_view method, const domain::Outcome& outcome) {
  if (outcome.reason != domain::Reason::kInternal) return;
  Log(LogLevel::kError, "internal_error",
      {{"method", std::string(method)}, {"message", outcome.message}});
}

}  // namespace tracker::server
