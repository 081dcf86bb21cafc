#include "client/src/operator_convert.h"

#include "client/src/convert.h"

namespace tracker::internal {

Policy FromProto(const v1::Policy& in) {
  Policy policy;
  policy.name_space = in.namespace_();
  policy.lease = FromProto(in.lease());
  policy.max_attempts = in.max_attempts();
  policy.backoff = {.initial = FromProto(in.backoff().initial()),
                    .multiplier = in.backoff().multiplier(),
                    .max = FromProto(in.backoff().max()),
                    .jitter = in.backoff().jitter()};
  if (in.has_retention()) policy.retention = FromProto(in.retention());
  policy.paused = in.paused();
  policy.pause_reason = in.pause_reason();
  if (in.has_pause_on_failure()) {
    policy.pause_on_failure = {.share = in.pause_on_failure().share(),
                               .window = FromProto(in.pause_on_failure().window()),
                               .min_attempts = in.pause_on_failure().min_attempts()};
  }
  if (in.has_update_time()) policy.update_time = FromProto(in.update_time());
  return policy;
}

v1::Policy ToProto(const Policy& policy) {
  v1::Policy out;
  out.set_namespace_(policy.name_space);
  ToProto(policy.lease, out.mutable_lease());
  out.set_max_attempts(policy.max_attempts);
  ToProto(policy.backoff.initial, out.mutable_backoff()->mutable_initial());
  out.mutable_backoff()->set_multiplier(policy.backoff.multiplier);
  ToProto(policy.backoff.max, out.mutable_backoff()->mutable_max());
  out.mutable_backoff()->set_jitter(policy.backoff.jitter);
  if (policy.retention) ToProto(*policy.retention, out.mutable_retention());
  out.set_paused(policy.paused);
  out.set_pause_reason(policy.pause_reason);
  if (policy.pause_on_failure) {
    v1::PauseOnFailure* pause = out.mutable_pause_on_failure();
    pause->set_share(policy.pause_on_failure->share);
    ToProto(policy.pause_on_failure->window, pause->mutable_window());
    pause->set_min_attempts(policy.pause_on_failure->min_attempts);
  }
  return out;
}

v1::BulkUpdateRequest ToProto(const BulkOptions& options) {
  v1::BulkUpdateRequest request;
  request.set_namespace_(options.name_space);
  request.set_action(static_cast<v1::BulkAction>(static_cast<int>(options.action)));
  for (TaskStatus status : options.statuses)
    request.add_statuses(static_cast<v1::Status>(static_cast<int>(status)));
  request.set_id_prefix(options.id_prefix);
  request.set_worker(options.worker);
  request.set_error_text(options.error_text);
  request.set_error_fingerprint(options.error_fingerprint);
  request.set_dry_run(options.dry_run);
  request.set_max_per_second(options.max_per_second);
  request.set_force(options.force);
  return request;
}

JobProgress FromProto(const v1::BulkUpdateResponse& in) {
  return {.scanned = in.scanned(),
          .matched = in.matched(),
          .updated = in.updated(),
          .skipped = in.skipped(),
          .total = in.total()};
}

JobProgress FromProto(const v1::ExpireResponse& in) {
  return {.matched = in.found(), .updated = in.ended()};
}

JobProgress FromProto(const v1::PurgeResponse& in) {
  return {.scanned = in.scanned(), .matched = in.found(), .updated = in.deleted()};
}

namespace {

template <typename Response>
CheckReport ReportFrom(const Response& in) {
  CheckReport report{.scanned = in.scanned(), .total = in.total()};
  for (const v1::Finding& finding : in.findings()) {
    // A fault of a later version is none that is known here.
    const bool known = v1::Fault_IsValid(finding.fault());
    report.findings.push_back(
        {.table = finding.table(),
         .fault = known ? static_cast<Fault>(static_cast<int>(finding.fault())) : Fault::kUnknown,
         .count = finding.count(),
         .examples = {finding.examples().begin(), finding.examples().end()}});
  }
  return report;
}

}  // namespace

CheckReport FromProto(const v1::CheckResponse& in) { return ReportFrom(in); }

CheckReport FromProto(const v1::RepairResponse& in) {
  CheckReport report = ReportFrom(in);
  report.repaired = in.repaired();
  report.skipped = in.skipped();
  return report;
}

ErrorGroups FromProto(const v1::GroupErrorsResponse& in) {
  ErrorGroups groups{.scanned = in.scanned(), .truncated = in.truncated()};
  for (const v1::ErrorGroup& group : in.groups()) {
    groups.groups.push_back({.fingerprint = group.fingerprint(),
                             .count = group.count(),
                             .first_time = FromProto(group.first_time()),
                             .last_time = FromProto(group.last_time()),
                             .example = group.example(),
                             .example_id = group.example_id()});
  }
  return groups;
}

CountCheck FromProto(const v1::CheckCountsResponse& in) {
  CountCheck check{.tasks = in.tasks()};
  for (const v1::CountMismatch& mismatch : in.mismatches()) {
    check.mismatches.push_back({.name_space = mismatch.namespace_(),
                                .status = StatusFromProto(mismatch.status()),
                                .counted = mismatch.counted(),
                                .actual = mismatch.actual()});
  }
  return check;
}

}  // namespace tracker::internal
