#include "tests/chaos/match.h"

#include "google/protobuf/util/message_differencer.h"
#include "server/encode.h"
#include "src/domain/transition.h"

namespace tracker::chaos {
namespace {

const absl::Duration kMark = absl::Nanoseconds(1) / 4;

// Settles an open time; whether it agrees.
bool Agree(const google::protobuf::Timestamp& shown, absl::Time& time) {
  const absl::Time seen = TimeOf(shown);
  if (!IsOpen(time)) return seen == time;
  if (seen < time - kMark) return false;
  time = seen;
  return true;
}

bool ErrorsAgree(const v1::Task& shown, domain::Task& task) {
  if (static_cast<size_t>(shown.errors_size()) != task.errors.size()) return false;
  for (int i = 0; i < shown.errors_size(); ++i) {
    const v1::TaskError& seen = shown.errors(i);
    domain::TaskError& error = task.errors[i];
    // The enums begin with UNSPECIFIED.
    if (seen.attempt() != error.attempt || seen.fence() != error.fence ||
        seen.worker() != error.worker ||
        static_cast<int>(seen.kind()) != static_cast<int>(error.kind) + 1 ||
        !Agree(seen.time(), error.time)) {
      return false;
    }
    // Says until when the lease was, which the model may not know.
    if (error.kind == domain::ErrorKind::kLeaseExpired) error.message = seen.message();
    if (seen.message() != error.message) return false;
  }
  return true;
}

bool DataAgrees(const v1::Task& shown, const domain::Task& task) {
  v1::Task expected;
  domain::Task data_only;
  data_only.data = task.data;
  if (!server::EncodePayload(data_only, &expected).ok()) return false;
  return google::protobuf::util::MessageDifferencer::Equals(shown.data(), expected.data());
}

}  // namespace

absl::Time OpenFrom(absl::Time bound) { return IsOpen(bound) ? bound : bound + kMark; }

bool IsOpen(absl::Time time) {
  return (time - absl::UnixEpoch()) % absl::Microseconds(1) != absl::ZeroDuration();
}

bool Matches(const v1::Task& shown, bool whole, const domain::Policy& policy, domain::Task& task) {
  domain::Task settled = task;
  if (shown.status() != server::EncodeStatus(task.status) || shown.fence() != task.fence ||
      shown.attempts() != task.attempts || shown.worker() != task.worker ||
      shown.priority() != task.priority ||
      shown.max_attempts() != domain::EffectiveMaxAttempts(task, policy)) {
    return false;
  }
  if (!Agree(shown.create_time(), settled.create_time) ||
      !Agree(shown.update_time(), settled.update_time) ||
      !Agree(shown.available_time(), settled.available_time)) {
    return false;
  }
  if (shown.has_lock_time() != (task.lock_time > absl::UnixEpoch())) return false;
  if (shown.has_lock_time() && !Agree(shown.lock_time(), settled.lock_time)) return false;
  if (task.status == domain::Status::kInProgress) {
    if (!Agree(shown.lock_expire_time(), settled.lock_expire_time)) return false;
    // Computed with it, and not shown.
    if (IsOpen(settled.alarm_time)) settled.alarm_time = settled.lock_expire_time;
  } else if (IsOpen(settled.alarm_time)) {
    settled.alarm_time = settled.available_time;
  }
  if (!shown.lock().empty() && shown.lock() != task.lock) return false;
  if (whole && (!ErrorsAgree(shown, settled) || !DataAgrees(shown, task))) return false;
  task = std::move(settled);
  return true;
}

}  // namespace tracker::chaos
