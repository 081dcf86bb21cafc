// google.protobuf.Duration and Timestamp, and Abseil's. Pure.
#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace tracker::server {

// InvalidArgument, with a text that continues the field's name, for what those messages forbid:
// seconds or nanos out of range, or of different signs.
absl::StatusOr<absl::Duration> FromProto(const google::protobuf::Duration& duration);
absl::StatusOr<absl::Time> FromProto(const google::protobuf::Timestamp& timestamp);

// For finite values within the range of those messages, as all of the server's are.
void ToProto(absl::Duration duration, google::protobuf::Duration* out);
void ToProto(absl::Time time, google::protobuf::Timestamp* out);

}  // namespace tracker::server
