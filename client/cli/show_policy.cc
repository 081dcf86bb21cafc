#include "absl/strings/str_cat.h"
#include "client/cli/show.h"
#include "client/cli/text.h"

namespace tracker::cli {
namespace {

using nlohmann::ordered_json;

std::string BackoffText(const Backoff& backoff) {
  if (backoff.initial <= absl::ZeroDuration()) return "none";
  std::string text = absl::StrCat(Short(backoff.initial), ", then ", backoff.multiplier,
                                  " times as long, at most ", Short(backoff.max));
  if (backoff.jitter > 0) absl::StrAppend(&text, ", jitter ", backoff.jitter);
  return text;
}

std::string RetentionText(const Policy& policy) {
  return policy.retention ? Short(*policy.retention) : "for ever";
}

std::string PausedText(const Policy& policy) {
  if (!policy.paused) return "no";
  return policy.pause_reason.empty() ? "yes" : absl::StrCat("yes: ", OneLine(policy.pause_reason));
}

}  // namespace

ordered_json PolicyJson(const Policy& policy) {
  ordered_json json;
  json["namespace"] = policy.name_space;
  json["lease_ms"] = absl::ToInt64Milliseconds(policy.lease);
  json["max_attempts"] = policy.max_attempts;
  json["backoff"] = {{"initial_ms", absl::ToInt64Milliseconds(policy.backoff.initial)},
                     {"multiplier", policy.backoff.multiplier},
                     {"max_ms", absl::ToInt64Milliseconds(policy.backoff.max)},
                     {"jitter", policy.backoff.jitter}};
  json["retention_ms"] = nullptr;
  if (policy.retention) json["retention_ms"] = absl::ToInt64Milliseconds(*policy.retention);
  json["paused"] = policy.paused;
  json["pause_reason"] = policy.pause_reason;
  json["pause_on_failure"] = nullptr;
  if (const auto& pause = policy.pause_on_failure) {
    json["pause_on_failure"] = {{"share", pause->share},
                                {"window_ms", absl::ToInt64Milliseconds(pause->window)},
                                {"min_attempts", pause->min_attempts}};
  }
  json["update_time"] = TimeJson(policy.update_time);
  return json;
}

void PrintPolicy(std::ostream& out, const Policy& policy, absl::Time now) {
  const auto line = [&out](const char* name, const std::string& value) {
    out << name << std::string(18 - Width(name), ' ') << value << "\n";
  };
  line("namespace", OneLine(policy.name_space));
  line("paused", PausedText(policy));
  line("lease", Short(policy.lease));
  line("max attempts", absl::StrCat(policy.max_attempts));
  line("backoff", BackoffText(policy.backoff));
  line("retention", RetentionText(policy));
  if (const auto& pause = policy.pause_on_failure) {
    line("pause on failure",
         absl::StrCat("when ", pause->share, " of at least ", pause->min_attempts,
                      " attempts within ", Short(pause->window), " went wrong"));
  } else {
    line("pause on failure", "never");
  }
  line("updated", policy.update_time ? LocalTime(*policy.update_time, now)
                                     : std::string("never: these are the defaults"));
}

void PrintPolicies(std::ostream& out, const std::vector<Policy>& policies) {
  std::vector<std::vector<std::string>> rows = {
      {"NAMESPACE", "LEASE", "ATTEMPTS", "RETENTION", "BACKOFF", "PAUSED"}};
  for (const Policy& policy : policies) {
    rows.push_back({OneLine(policy.name_space), Short(policy.lease),
                    absl::StrCat(policy.max_attempts), RetentionText(policy),
                    BackoffText(policy.backoff), PausedText(policy)});
  }
  PrintTable(out, rows, {false, true, true, true, false, false}, TerminalColumns());
}

}  // namespace tracker::cli
