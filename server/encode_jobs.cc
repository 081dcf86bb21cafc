#include "server/encode.h"
#include "server/wire_time.h"
#include "src/domain/fingerprint.h"

namespace tracker::server {
namespace {

v1::Fault EncodeFault(store::Fault fault) {
  switch (fault) {
    case store::Fault::kMissing: return v1::FAULT_MISSING;
    case store::Fault::kOrphan: return v1::FAULT_ORPHAN;
    case store::Fault::kStale: return v1::FAULT_STALE;
    case store::Fault::kDuplicate: return v1::FAULT_DUPLICATE;
    case store::Fault::kMiscount: return v1::FAULT_MISCOUNT;
    case store::Fault::kDamage: return v1::FAULT_DAMAGE;
  }
  return v1::FAULT_UNSPECIFIED;
}

template <typename Response>
void EncodeFindings(const store::CheckReport& report, Response* out) {
  out->set_scanned(report.scanned);
  out->set_total(report.total);
  for (const store::Finding& finding : report.findings) {
    v1::Finding* encoded = out->add_findings();
    encoded->set_table(finding.where);
    encoded->set_fault(EncodeFault(finding.fault));
    encoded->set_count(finding.count);
    for (const std::string& example : finding.examples) encoded->add_examples(example);
  }
}

}  // namespace

void EncodeReport(const store::CheckReport& report, v1::CheckResponse* out) {
  EncodeFindings(report, out);
}

void EncodeReport(const store::CheckReport& report, v1::RepairResponse* out) {
  EncodeFindings(report, out);
  out->set_repaired(report.repaired);
  out->set_skipped(report.skipped);
}

void EncodeGroups(const store::ErrorGroups& groups, v1::GroupErrorsResponse* out) {
  for (const store::ErrorGroup& group : groups.groups) {
    v1::ErrorGroup* encoded = out->add_groups();
    encoded->set_fingerprint(domain::FingerprintText(group.fingerprint));
    encoded->set_count(group.count);
    ToProto(group.first, encoded->mutable_first_time());
    ToProto(group.last, encoded->mutable_last_time());
    encoded->set_example(group.message);
    encoded->set_example_id(group.id);
  }
  out->set_scanned(groups.scanned);
  out->set_truncated(groups.truncated);
}

void EncodeCheck(const store::CountCheck& check, v1::CheckCountsResponse* out) {
  out->set_tasks(check.tasks);
  for (const store::CountMismatch& mismatch : check.mismatches) {
    v1::CountMismatch* encoded = out->add_mismatches();
    encoded->set_namespace_(mismatch.name_space);
    encoded->set_status(EncodeStatus(mismatch.status));
    encoded->set_counted(mismatch.counted);
    encoded->set_actual(mismatch.actual);
  }
}

void EncodeProgress(const service::JobProgress& progress, v1::BulkUpdateResponse* out) {
  out->set_scanned(progress.scanned);
  out->set_matched(progress.matched);
  out->set_updated(progress.updated);
  out->set_skipped(progress.skipped);
  out->set_total(progress.total);
}

void EncodeProgress(const service::JobProgress& progress, v1::ExpireResponse* out) {
  out->set_found(progress.matched);
  out->set_ended(progress.updated);
}

void EncodeProgress(const service::JobProgress& progress, v1::PurgeResponse* out) {
  out->set_scanned(progress.scanned);
  out->set_found(progress.matched);
  out->set_deleted(progress.updated);
}

}  // namespace tracker::server
