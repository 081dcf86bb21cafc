// The values of operator.h and policy.h, to and from the wire. Pure.
#pragma once

#include "client/wire/tracker.pb.h"
#include "tracker/operator.h"

namespace tracker::internal {

Policy FromProto(const v1::Policy& in);
v1::Policy ToProto(const Policy& policy);

v1::BulkUpdateRequest ToProto(const BulkOptions& options);

JobProgress FromProto(const v1::BulkUpdateResponse& in);
JobProgress FromProto(const v1::ExpireResponse& in);
JobProgress FromProto(const v1::PurgeResponse& in);

ErrorGroups FromProto(const v1::GroupErrorsResponse& in);
CountCheck FromProto(const v1::CheckCountsResponse& in);
CheckReport FromProto(const v1::CheckResponse& in);
CheckReport FromProto(const v1::RepairResponse& in);

}  // namespace tracker::internal
