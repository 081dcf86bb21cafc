// Fields that several requests have: what they say as values of the domain. Pure. Each function
// adds what is wrong to `errors`; what it answers is of use only when it added nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/repeated_field.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "server/field_errors.h"
#include "src/domain/task.h"
#include "src/domain/validation.h"
#include "src/store/store.h"

namespace tracker::server {

// Whole microseconds, rounded down; with a duration that no message may hold: none. `check` may be
// null.
std::optional<absl::Duration> DecodeDuration(const google::protobuf::Duration& duration,
                                             absl::string_view field,
                                             domain::Complaint (*check)(absl::Duration),
                                             FieldErrors& errors);

// The lock to take, or a new one where the request leaves that to the server.
std::string DecodeNewLock(const std::string& text, FieldErrors& errors);
// The lock that is held: required.
std::string DecodeLock(const std::string& text, FieldErrors& errors);

// Each once.
std::vector<domain::Status> DecodeStatuses(const google::protobuf::RepeatedField<int>& statuses,
                                           FieldErrors& errors);

// The earlier steps of a task.
std::vector<std::string> DecodeAfter(const google::protobuf::RepeatedPtrField<std::string>& after,
                                     const std::string& name_space, FieldErrors& errors);

// 0: any.
int64_t DecodeFingerprint(const std::string& text, FieldErrors& errors);

// The filters that List and BulkUpdate share, with the namespace.
template <typename Request>
store::ListQuery DecodeFilter(const Request& request, FieldErrors& errors) {
  errors.Check("namespace", domain::CheckNamespace(request.namespace_()));
  errors.Check("id_prefix", domain::CheckIdPrefix(request.id_prefix()));
  errors.Check("worker", domain::CheckWorker(request.worker()));
  errors.Check("error_text", domain::CheckErrorText(request.error_text()));
  store::ListQuery query;
  query.name_space = request.namespace_();
  query.statuses = DecodeStatuses(request.statuses(), errors);
  query.id_prefix = request.id_prefix();
  query.worker = request.worker();
  query.error_text = request.error_text();
  query.error_fingerprint = DecodeFingerprint(request.error_fingerprint(), errors);
  return query;
}

template <typename Request>
std::optional<absl::Duration> DecodeLease(const Request& request, FieldErrors& errors) {
  if (!request.has_lease()) return std::nullopt;
  return DecodeDuration(request.lease(), "lease", domain::CheckLease, errors);
}

}  // namespace tracker::server
