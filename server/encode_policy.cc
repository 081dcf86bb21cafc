#include "server/encode.h"
#include "server/wire_time.h"

namespace tracker::server {

void EncodePolicy(const domain::Policy& policy, v1::Policy* out) {
  out->set_namespace_(policy.name_space);
  ToProto(policy.lease, out->mutable_lease());
  out->set_max_attempts(policy.max_attempts);
  v1::Backoff* backoff = out->mutable_backoff();
  ToProto(policy.backoff.initial, backoff->mutable_initial());
  backoff->set_multiplier(policy.backoff.multiplier);
  ToProto(policy.backoff.max, backoff->mutable_max());
  backoff->set_jitter(policy.backoff.jitter);
  if (policy.retention) ToProto(*policy.retention, out->mutable_retention());
  out->set_paused(policy.paused);
  out->set_pause_reason(policy.pause_reason);
  if (policy.pause_on_failure) {
    v1::PauseOnFailure* pause = out->mutable_pause_on_failure();
    pause->set_share(policy.pause_on_failure->share);
    ToProto(policy.pause_on_failure->window, pause->mutable_window());
    pause->set_min_attempts(policy.pause_on_failure->min_attempts);
  }
  if (policy.update_time > absl::UnixEpoch())
    ToProto(policy.update_time, out->mutable_update_time());
}

}  // namespace tracker::server
