// google.protobuf.Struct and JSON text: the user's data on the wire and in the store. Pure.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/struct.pb.h"

namespace tracker::server {

// The object as JSON, keys sorted, whole numbers as integers. InvalidArgument, with a text that
// continues "data ...", for what a store could not hold or no one could read back: over
// limits::kDataDepth levels or limits::kDataBytes, NUL bytes, NaN and the infinities, values of no
// kind. Recursion ends at the depth limit, however deep the object is.
absl::StatusOr<std::string> StructToJson(const google::protobuf::Struct& object);

// The other way, for what StructToJson made; replaces `object`. DataLoss for any other text.
absl::Status JsonToStruct(const std::string& text, google::protobuf::Struct* object);

}  // namespace tracker::server
