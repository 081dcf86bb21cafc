// How a gRPC error travels inside an absl::Status: as a payload, the serialized google.rpc.Status
// that the server sent. errors.h reads it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "client/wire/status.pb.h"

namespace tracker::internal {

// `details` is a serialized google.rpc.Status (the grpc-status-details-bin trailer), or empty.
absl::Status MakeStatus(int code, const std::string& message, const std::string& details);

// Packs a message of client/wire under its name on the wire, as the server would.
void AddDetail(const google::protobuf::MessageLite& detail, rpc::Status* out);

// INVALID_ARGUMENT as the server would say it, for what is refused before it is sent.
absl::Status InvalidArgument(const std::string& message);

// Marks the error of a report; see ReportFailed.
absl::Status AsReportError(absl::Status status);

}  // namespace tracker::internal
