#include <utility>

#include "server/decode.h"
#include "server/decode_fields.h"
#include "src/domain/policy.h"

namespace tracker::server {
namespace {

using google::protobuf::Duration;

// In proto3 a number that is not set is 0, which none of these may be.
template <typename Number>
void SetIfGiven(Number given, Number* value) {
  if (given != 0) *value = given;
}

// The limits are checked on the whole policy.
void SetIfGiven(bool given, const Duration& duration, absl::string_view field,
                absl::Duration* value, FieldErrors& errors) {
  if (given) *value = DecodeDuration(duration, field, nullptr, errors).value_or(*value);
}

domain::Backoff DecodeBackoff(const v1::Backoff& in, FieldErrors& errors) {
  domain::Backoff backoff;
  SetIfGiven(in.has_initial(), in.initial(), "backoff.initial", &backoff.initial, errors);
  SetIfGiven(in.multiplier(), &backoff.multiplier);
  SetIfGiven(in.has_max(), in.max(), "backoff.max", &backoff.max, errors);
  backoff.jitter = in.jitter();
  return backoff;
}

domain::PauseOnFailure DecodePauseOnFailure(const v1::PauseOnFailure& in, FieldErrors& errors) {
  domain::PauseOnFailure pause;
  SetIfGiven(in.share(), &pause.share);
  SetIfGiven(in.has_window(), in.window(), "pause_on_failure.window", &pause.window, errors);
  SetIfGiven(static_cast<int>(in.min_attempts()), &pause.min_attempts);
  return pause;
}

domain::Policy DecodePolicy(const v1::Policy& in, FieldErrors& errors) {
  domain::Policy policy;
  policy.name_space = in.namespace_();
  SetIfGiven(in.has_lease(), in.lease(), "lease", &policy.lease, errors);
  SetIfGiven(static_cast<int>(in.max_attempts()), &policy.max_attempts);
  if (in.has_backoff()) policy.backoff = DecodeBackoff(in.backoff(), errors);
  if (in.has_retention())
    policy.retention = DecodeDuration(in.retention(), "retention", nullptr, errors);
  policy.paused = in.paused();
  policy.pause_reason = in.pause_reason();
  if (in.has_pause_on_failure())
    policy.pause_on_failure = DecodePauseOnFailure(in.pause_on_failure(), errors);
  return policy;
}

}  // namespace

domain::Policy Decode(const v1::SetPolicyRequest& request, FieldErrors& errors) {
  if (!request.has_policy()) {
    errors.Add("policy", "is required");
    return {};
  }
  FieldErrors found("policy");
  domain::Policy policy = DecodePolicy(request.policy(), found);
  // A duration that cannot be read has been complained of, and its default is good.
  for (domain::FieldComplaint& complaint : domain::CheckPolicy(policy))
    found.Add(complaint.field, std::move(complaint.text));
  errors.Add(found);
  // Of a namespace that is not paused the reason would only mislead.
  if (!policy.paused) policy.pause_reason.clear();
  return policy;
}

std::string Decode(const v1::GetPolicyRequest& request, FieldErrors& errors) {
  errors.Check("namespace", domain::CheckNamespace(request.namespace_()));
  return request.namespace_();
}

std::string Decode(const v1::DeletePolicyRequest& request, FieldErrors& errors) {
  errors.Check("namespace", domain::CheckNamespace(request.namespace_()));
  return request.namespace_();
}

}  // namespace tracker::server
