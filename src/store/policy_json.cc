#include "src/store/policy_json.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace tracker::store {
namespace {

using nlohmann::json;

int64_t Micros(absl::Duration duration) { return absl::ToInt64Microseconds(duration); }

absl::Duration DurationOr(const json& object, const char* key, absl::Duration otherwise) {
  const auto found = object.find(key);
  return found == object.end() ? otherwise : absl::Microseconds(found->get<int64_t>());
}

domain::Backoff BackoffFrom(const json& object) {
  domain::Backoff backoff;
  backoff.initial = DurationOr(object, "initial_us", backoff.initial);
  backoff.multiplier = object.value("multiplier", backoff.multiplier);
  backoff.max = DurationOr(object, "max_us", backoff.max);
  backoff.jitter = object.value("jitter", backoff.jitter);
  return backoff;
}

domain::PauseOnFailure PauseOnFailureFrom(const json& object) {
  domain::PauseOnFailure pause;
  pause.share = object.value("share", pause.share);
  pause.window = DurationOr(object, "window_us", pause.window);
  pause.min_attempts = object.value("min_attempts", pause.min_attempts);
  return pause;
}

}  // namespace

std::string EncodePolicy(const domain::Policy& policy) {
  json object = {{"lease_us", Micros(policy.lease)},
                 {"max_attempts", policy.max_attempts},
                 {"backoff",
                  {{"initial_us", Micros(policy.backoff.initial)},
                   {"multiplier", policy.backoff.multiplier},
                   {"max_us", Micros(policy.backoff.max)},
                   {"jitter", policy.backoff.jitter}}}};
  if (policy.retention) object["retention_us"] = Micros(*policy.retention);
  if (policy.paused) object["paused"] = true;
  if (!policy.pause_reason.empty()) object["pause_reason"] = policy.pause_reason;
  if (policy.pause_on_failure) {
    object["pause_on_failure"] = {{"share", policy.pause_on_failure->share},
                                  {"window_us", Micros(policy.pause_on_failure->window)},
                                  {"min_attempts", policy.pause_on_failure->min_attempts}};
  }
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

absl::StatusOr<domain::Policy> DecodePolicy(const std::string& text) {
  try {
    const json object = json::parse(text);
    domain::Policy policy;
    policy.lease = DurationOr(object, "lease_us", policy.lease);
    policy.max_attempts = object.value("max_attempts", policy.max_attempts);
    if (object.contains("backoff")) policy.backoff = BackoffFrom(object["backoff"]);
    if (object.contains("retention_us")) {
      policy.retention = DurationOr(object, "retention_us", absl::ZeroDuration());
    }
    policy.paused = object.value("paused", false);
    policy.pause_reason = object.value("pause_reason", std::string());
    if (object.contains("pause_on_failure")) {
      policy.pause_on_failure = PauseOnFailureFrom(object["pause_on_failure"]);
    }
    return policy;
  } catch (const json::exception& error) {
    return absl::DataLossError(absl::StrCat("a stored policy cannot be read: ", error.what()));
  }
}

}  // namespace tracker::store
