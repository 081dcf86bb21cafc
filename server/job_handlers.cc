#include "server/job_handlers.h"

namespace tracker::server {

grpc::ServerWriteReactor<grpc::ByteBuffer>* ServeBulkUpdate(service::Tracker& tracker,
                                                            grpc::CallbackServerContext* context,
                                                            const grpc::ByteBuffer& request) {
  auto* call = new StreamCall("BulkUpdate", context, v1::BulkUpdateResponse());
  if (auto bulk = ParseAndDecode<v1::BulkUpdateRequest>(request, call)) {
    tracker.BulkUpdate(*std::move(bulk), call->Context(),
                       StreamProgress<v1::BulkUpdateResponse>(call),
                       StreamEnd<v1::BulkUpdateResponse>(call));
  }
  return call;
}

grpc::ServerUnaryReactor* ServeGroupErrors(service::Tracker& tracker, UnaryRpc rpc) {
  auto* call = new Call("GroupErrors", rpc.context, rpc.response);
  if (auto query = ParseAndDecode<v1::GroupErrorsRequest>(*rpc.request, call)) {
    tracker.GroupErrors(*std::move(query), call->Context(),
                        [call](absl::StatusOr<store::ErrorGroups> groups) {
                          if (!groups.ok()) return call->Refuse(groups.status());
                          v1::GroupErrorsResponse response;
                          EncodeGroups(*groups, &response);
                          call->Answer(response);
                        });
  }
  return call;
}

}  // namespace tracker::server
