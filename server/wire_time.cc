#include "server/wire_time.h"

#include <cstdint>

namespace tracker::server {
namespace {

// About 10,000 years, and the years 1 to 9999, as the .proto files of these messages say.
constexpr int64_t kMaxDurationSeconds = 315'576'000'000;
constexpr int64_t kMinTimestampSeconds = -62'135'596'800;
constexpr int64_t kMaxTimestampSeconds = 253'402'300'799;
constexpr int32_t kMaxNanos = 999'999'999;

}  // namespace

absl::StatusOr<absl::Duration> FromProto(const google::protobuf::Duration& duration) {
  const int64_t seconds = duration.seconds();
  const int32_t nanos = duration.nanos();
  if (seconds < -kMaxDurationSeconds || seconds > kMaxDurationSeconds)
    return absl::InvalidArgumentError("has seconds out of range");
  if (nanos < -kMaxNanos || nanos > kMaxNanos)
    return absl::InvalidArgumentError("has nanos out of range");
  if ((seconds < 0 && nanos > 0) || (seconds > 0 && nanos < 0))
    return absl::InvalidArgumentError("has seconds and nanos of different signs");
  return absl::Seconds(seconds) + absl::Nanoseconds(nanos);
}

absl::StatusOr<absl::Time> FromProto(const google::protobuf::Timestamp& timestamp) {
  if (timestamp.seconds() < kMinTimestampSeconds || timestamp.seconds() > kMaxTimestampSeconds)
    return absl::InvalidArgumentError("has seconds out of range");
  if (timestamp.nanos() < 0 || timestamp.nanos() > kMaxNanos)
    return absl::InvalidArgumentError("has nanos out of range");
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

void ToProto(absl::Duration duration, google::protobuf::Duration* out) {
  const int64_t seconds = absl::IDivDuration(duration, absl::Seconds(1), &duration);
  out->set_seconds(seconds);
  out->set_nanos(static_cast<int32_t>(duration / absl::Nanoseconds(1)));
}

void ToProto(absl::Time time, google::protobuf::Timestamp* out) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  out->set_seconds(seconds);
  out->set_nanos(
      static_cast<int32_t>((time - absl::FromUnixSeconds(seconds)) / absl::Nanoseconds(1)));
}

}  // namespace tracker::server
