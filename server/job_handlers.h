// The methods of TrackerService that look at many tasks: BulkUpdate, a job that streams how far it
// is, and GroupErrors. Thread-safe; they do not block.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "server/encode.h"
#include "server/stream_call.h"
#include "server/unary.h"
#include "src/service/tracker.h"

namespace tracker::server {

grpc::ServerWriteReactor<grpc::ByteBuffer>* ServeBulkUpdate(service::Tracker& tracker,
                                                            grpc::CallbackServerContext* context,
                                                            const grpc::ByteBuffer& request);
grpc::ServerUnaryReactor* ServeGroupErrors(service::Tracker& tracker, UnaryRpc rpc);

// A job's progress as messages of a stream, and its end.
template <typename Response>
service::Tracker::ProgressCallback StreamProgress(StreamCall* call) {
  return [call](const service::JobProgress& progress) {
    Response response;
    EncodeProgress(progress, &response);
    call->Progress(response);
  };
}
template <typename Response>
service::Tracker::JobCallback StreamEnd(StreamCall* call) {
  return [call](const absl::Status& status, const service::JobProgress& progress) {
    if (!status.ok()) return call->Refuse(status);
    Response response;
    EncodeProgress(progress, &response);
    response.set_done(true);
    call->Finish(response);
  };
}

}  // namespace tracker::server
