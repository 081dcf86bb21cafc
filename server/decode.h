// Requests of the wire as commands and queries. Pure but for the new tokens and random numbers that
// commands carry. Thread-safe. Every function adds each field that is wrong to `errors`; what it
// answers is of use only when it added none.
#pragma once

#include <string>

#include "server/field_errors.h"
#include "src/domain/command.h"
#include "src/domain/policy.h"
#include "src/domain/task.h"
#include "src/service/tracker.h"
#include "src/store/store.h"
#include "tracker/v1/tracker.pb.h"

namespace tracker::server {

domain::Command Decode(const v1::CreateRequest& request, FieldErrors& errors);
// Without a lock in the request the command carries a new one.
domain::Command Decode(const v1::StartRequest& request, FieldErrors& errors);
domain::Command Decode(const v1::HeartbeatRequest& request, FieldErrors& errors);
domain::Command Decode(const v1::SucceedRequest& request, FieldErrors& errors);
domain::Command Decode(const v1::FailRequest& request, FieldErrors& errors);
domain::Command Decode(const v1::ReleaseRequest& request, FieldErrors& errors);
domain::Command Decode(const v1::IgnoreRequest& request, FieldErrors& errors);
domain::Command Decode(const v1::ResetRequest& request, FieldErrors& errors);
domain::Command Decode(const v1::DeleteRequest& request, FieldErrors& errors);

// The index-th operation of a Batch; adds its errors with paths from the batch's root.
domain::Command DecodeOperation(const v1::Operation& operation, int index,
                                std::vector<FieldError>& errors);

domain::TaskKey Decode(const v1::GetRequest& request, FieldErrors& errors);
service::ListRequest Decode(const v1::ListRequest& request, FieldErrors& errors);
service::CountRequest Decode(const v1::CountRequest& request, FieldErrors& errors);

// Without a lock in the request it carries a new one.
service::ClaimRequest Decode(const v1::ClaimRequest& request, FieldErrors& errors);

// What is not set is the default.
domain::Policy Decode(const v1::SetPolicyRequest& request, FieldErrors& errors);
// The namespace.
std::string Decode(const v1::GetPolicyRequest& request, FieldErrors& errors);
std::string Decode(const v1::DeletePolicyRequest& request, FieldErrors& errors);
service::PoliciesRequest Decode(const v1::ListPoliciesRequest& request, FieldErrors& errors);

service::BulkRequest Decode(const v1::BulkUpdateRequest& request, FieldErrors& errors);
store::ErrorGroupQuery Decode(const v1::GroupErrorsRequest& request, FieldErrors& errors);
struct PurgeOrder {
  // Empty: all that have a retention.
  std::string name_space;
  bool dry_run = false;
};
PurgeOrder Decode(const v1::PurgeRequest& request, FieldErrors& errors);

}  // namespace tracker::server
