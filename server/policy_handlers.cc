#include "server/policy_handlers.h"

#include <utility>
#include <vector>

#include "server/encode.h"

namespace tracker::server {
namespace {

template <typename Response>
service::Tracker::PolicyCallback AnswerWithPolicy(Call* call) {
  return [call](absl::StatusOr<domain::Policy> policy) {
    if (!policy.ok()) return call->Refuse(policy.status());
    Response response;
    EncodePolicy(*policy, response.mutable_policy());
    call->Answer(response);
  };
}

}  // namespace

grpc::ServerUnaryReactor* ServeSetPolicy(service::Tracker& tracker, UnaryRpc rpc) {
  auto* call = new Call("SetPolicy", rpc.context, rpc.response);
  if (auto policy = ParseAndDecode<v1::SetPolicyRequest>(*rpc.request, call)) {
    tracker.SetPolicy(*std::move(policy), call->Context(),
                      AnswerWithPolicy<v1::SetPolicyResponse>(call));
  }
  return call;
}

grpc::ServerUnaryReactor* ServeGetPolicy(service::Tracker& tracker, UnaryRpc rpc) {
  auto* call = new Call("GetPolicy", rpc.context, rpc.response);
  if (auto name_space = ParseAndDecode<v1::GetPolicyRequest>(*rpc.request, call)) {
    tracker.GetPolicy(*std::move(name_space), call->Context(),
                      AnswerWithPolicy<v1::GetPolicyResponse>(call));
  }
  return call;
}

grpc::ServerUnaryReactor* ServeListPolicies(service::Tracker& tracker, UnaryRpc rpc) {
  auto* call = new Call("ListPolicies", rpc.context, rpc.response);
  if (auto request = ParseAndDecode<v1::ListPoliciesRequest>(*rpc.request, call)) {
    tracker.ListPolicies(*std::move(request), call->Context(),
                         [call](absl::StatusOr<service::PoliciesAnswer> answer) {
                           if (!answer.ok()) return call->Refuse(answer.status());
                           v1::ListPoliciesResponse response;
                           for (const domain::Policy& policy : answer->policies)
                             EncodePolicy(policy, response.add_policies());
                           response.set_next_page_token(answer->next_page_token);
                           call->Answer(response);
                         });
  }
  return call;
}

grpc::ServerUnaryReactor* ServeDeletePolicy(service::Tracker& tracker, UnaryRpc rpc) {
  auto* call = new Call("DeletePolicy", rpc.context, rpc.response);
  if (auto name_space = ParseAndDecode<v1::DeletePolicyRequest>(*rpc.request, call)) {
    tracker.DeletePolicy(*std::move(name_space), call->Context(), [call](absl::Status status) {
      if (!status.ok()) return call->Refuse(status);
      call->Answer(v1::DeletePolicyResponse());
    });
  }
  return call;
}

}  // namespace tracker::server
