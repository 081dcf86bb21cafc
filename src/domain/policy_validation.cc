#include "absl/strings/str_cat.h"
#include "src/base/limits.h"
#include "src/domain/validation.h"

namespace tracker::domain {
namespace {

// Written so that a NaN is outside of every range.
Complaint CheckReal(double number, double min, double max) {
  if (number >= min && number <= max) return std::nullopt;
  return absl::StrCat("is ", number, "; ", min, " to ", max, " is allowed");
}

Complaint CheckWithin(absl::Duration duration, absl::Duration min, absl::Duration max) {
  if (duration >= min && duration <= max) return std::nullopt;
  return absl::StrCat("is ", absl::FormatDuration(duration), "; ", absl::FormatDuration(min),
                      " to ", absl::FormatDuration(max), " is allowed");
}

Complaint CheckPolicyMaxAttempts(int max_attempts) {
  if (max_attempts >= 1 && max_attempts <= limits::kMaxMaxAttempts) return std::nullopt;
  return absl::StrCat("is ", max_attempts, "; 1 to ", limits::kMaxMaxAttempts, " is allowed");
}

Complaint CheckPauseReason(absl::string_view text) {
  if (text.size() > limits::kPauseReasonBytes) {
    return absl::StrCat("has ", text.size(), " bytes; at most ", limits::kPauseReasonBytes,
                        " are allowed");
  }
  return CheckReport(text);
}

Complaint CheckShare(double share) {
  if (share > 0 && share <= 1) return std::nullopt;
  return absl::StrCat("is ", share, "; more than 0, at most 1 is allowed");
}

}  // namespace

std::vector<FieldComplaint> CheckPolicy(const Policy& policy) {
  std::vector<FieldComplaint> complaints;
  const auto check = [&](const char* field, Complaint complaint) {
    if (complaint) complaints.push_back({field, *std::move(complaint)});
  };
  check("namespace", CheckNamespace(policy.name_space));
  check("lease", CheckLease(policy.lease));
  check("max_attempts", CheckPolicyMaxAttempts(policy.max_attempts));
  const Backoff& backoff = policy.backoff;
  const Complaint initial = CheckWithin(backoff.initial, absl::ZeroDuration(), limits::kMaxBackoff);
  check("backoff.initial", initial);
  check("backoff.multiplier", CheckReal(backoff.multiplier, 1, limits::kMaxBackoffMultiplier));
  if (!initial)
    check("backoff.max", CheckWithin(backoff.max, backoff.initial, limits::kMaxBackoff));
  check("backoff.jitter", CheckReal(backoff.jitter, 0, 1));
  if (policy.retention) {
    check("retention",
          CheckWithin(*policy.retention, limits::kMinRetention, limits::kMaxRetention));
  }
  check("pause_reason", CheckPauseReason(policy.pause_reason));
  if (const auto& pause = policy.pause_on_failure) {
    check("pause_on_failure.share", CheckShare(pause->share));
    check("pause_on_failure.window",
          CheckWithin(pause->window, limits::kMinPauseWindow, limits::kMaxPauseWindow));
    const bool attempts_good =
        pause->min_attempts >= 1 && pause->min_attempts <= limits::kMaxPauseAttempts;
    if (!attempts_good) {
      check("pause_on_failure.min_attempts",
            absl::StrCat("is ", pause->min_attempts, "; 1 to ", limits::kMaxPauseAttempts,
                         " is allowed"));
    }
  }
  return complaints;
}

}  // namespace tracker::domain
