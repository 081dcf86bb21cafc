// Between the wire's messages and the client's values. Pure.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/wire/tracker.pb.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "tracker/client.h"
#include "tracker/task.h"

namespace tracker::internal {

Task FromProto(const v1::Task& task);
TaskStatus StatusFromProto(v1::Status status);
absl::Duration FromProto(const google::protobuf::Duration& duration);
absl::Time FromProto(const google::protobuf::Timestamp& time);

void ToProto(absl::Duration duration, google::protobuf::Duration* out);
void ToProto(absl::Time time, google::protobuf::Timestamp* out);
v1::ListRequest ToProto(const ListOptions& options);

// All of a FailRequest but who fails. InvalidArgument: the data is no JSON object.
absl::Status FillFail(const std::string& message, const FailOptions& options, v1::FailRequest* out);

// JSON text of an object to a Struct. InvalidArgument: no JSON, no object, deeper than 32 levels,
// or an integer that a Struct, whose numbers are doubles, would change silently.
absl::Status JsonToStruct(const std::string& json, google::protobuf::Struct* out);
// The other way: compact, keys sorted, whole numbers without a fraction.
std::string StructToJson(const google::protobuf::Struct& data);

}  // namespace tracker::internal
