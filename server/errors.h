// Refusals as gRPC errors: the code, an ErrorInfo for programs, RetryInfo, BadRequest, and the task
// as it stands. Pure.
//
// A gRPC client refuses trailers over 8 KiB by default, and would show an error of its own in place
// of ours; so everything here is cut to fit limits::kErrorDetailsBytes as it travels.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"
#include "server/field_errors.h"
#include "src/domain/command.h"

namespace tracker::server {

// ErrorInfo's domain, and the trailer by which gRPC clients put off their retries.
inline constexpr char kErrorDomain[] = "tracker";
inline constexpr char kPushbackTrailer[] = "grpc-retry-pushback-ms";

// For an outcome that is not ok.
google::rpc::Status ErrorOf(const domain::Outcome& outcome);

// INVALID_ARGUMENT with the fields that are wrong; there is at least one.
google::rpc::Status InvalidFields(const std::vector<FieldError>& errors);

// INVALID_ARGUMENT for a request that is no message of its type.
google::rpc::Status Malformed(absl::string_view message_name);

// For a read that failed: Unavailable, ResourceExhausted, DeadlineExceeded, Cancelled are what they
// say; InvalidArgument is about the page token, the only thing that the service itself checks; all
// else is INTERNAL.
google::rpc::Status ErrorOf(const absl::Status& status);

// An answer that would pass what clients receive.
google::rpc::Status AnswerTooLarge();

// Without all details but the ErrorInfo: what an error in a crowded Batch must have.
google::rpc::Status WithoutExtras(const google::rpc::Status& error);

grpc::Status ToGrpc(const google::rpc::Status& error);

}  // namespace tracker::server
