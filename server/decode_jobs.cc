#include "absl/strings/str_cat.h"
#include "server/decode.h"
#include "server/decode_fields.h"
#include "src/base/limits.h"

namespace tracker::server {
namespace {

service::BulkAction DecodeAction(int action, FieldErrors& errors) {
  switch (action) {
    case v1::BULK_ACTION_RETRY: return service::BulkAction::kRetry;
    case v1::BULK_ACTION_IGNORE: return service::BulkAction::kIgnore;
    case v1::BULK_ACTION_RESET: return service::BulkAction::kReset;
    case v1::BULK_ACTION_DELETE: return service::BulkAction::kDelete;
    case v1::BULK_ACTION_UNSPECIFIED: errors.Add("action", "is required"); break;
    default: errors.Add("action", absl::StrCat("is ", action, ", not an action"));
  }
  return service::BulkAction::kRetry;
}

}  // namespace

service::BulkRequest Decode(const v1::BulkUpdateRequest& request, FieldErrors& errors) {
  service::BulkRequest bulk;
  bulk.filter = DecodeFilter(request, errors);
  bulk.action = DecodeAction(request.action(), errors);
  bulk.dry_run = request.dry_run();
  errors.Check("max_per_second", domain::CheckJobRate(request.max_per_second()));
  bulk.max_per_second = request.max_per_second();
  bulk.force = request.force();
  return bulk;
}

store::ErrorGroupQuery Decode(const v1::GroupErrorsRequest& request, FieldErrors& errors) {
  errors.Check("namespace", domain::CheckNamespace(request.namespace_()));
  store::ErrorGroupQuery query;
  query.name_space = request.namespace_();
  query.statuses = DecodeStatuses(request.statuses(), errors);
  if (request.limit() != 0) {
    errors.Check("limit", domain::CheckGroupLimit(request.limit()));
    query.limit = request.limit();
  }
  return query;
}

PurgeOrder Decode(const v1::PurgeRequest& request, FieldErrors& errors) {
  if (!request.namespace_().empty())
    errors.Check("namespace", domain::CheckNamespace(request.namespace_()));
  return {.name_space = request.namespace_(), .dry_run = request.dry_run()};
}

}  // namespace tracker::server
