// Bytes and messages. The methods are served raw, and parsed here: gRPC's own parsing answers a
// string that is not UTF-8 with INTERNAL, and does not say where. Thread-safe.
#pragma once

#include <optional>
#include <vector>

#include "google/protobuf/message.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/byte_buffer.h"
#include "server/field_errors.h"

namespace tracker::server {

// Reads `message` from `bytes`. None when that went well; else INVALID_ARGUMENT that names the
// fields at fault, where they can be told.
std::optional<google::rpc::Status> Parse(const grpc::ByteBuffer& bytes,
                                         google::protobuf::Message* message);

// Why the bytes are not a message of this type: the strings that are not UTF-8 and the fields that
// are nested too deeply, at most limits::kFieldViolations of them. Empty: the bytes themselves are
// malformed. Within a google.protobuf message the path is that of the field which holds it.
std::vector<FieldError> WhyUnreadable(const google::protobuf::Descriptor* type,
                                      absl::string_view bytes);

// Replaces `bytes` with the message.
bool Serialize(const google::protobuf::Message& message, grpc::ByteBuffer* bytes);

}  // namespace tracker::server
