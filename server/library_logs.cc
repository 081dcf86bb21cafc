// The one place that knows the versions of gRPC's and protobuf's logging.
#include <google/protobuf/stubs/common.h>
#include <grpcpp/version_info.h>

#include "server/logging.h"

#define TRACKER_GRPC_LOGS_ITSELF \
  (GRPC_CPP_VERSION_MAJOR < 1 || (GRPC_CPP_VERSION_MAJOR == 1 && GRPC_CPP_VERSION_MINOR < 65))
#define TRACKER_PROTOBUF_LOGS_ITSELF (GOOGLE_PROTOBUF_VERSION < 4022000)

#if TRACKER_GRPC_LOGS_ITSELF
#include <grpc/support/log.h>
#endif
#if TRACKER_PROTOBUF_LOGS_ITSELF
#include <google/protobuf/stubs/logging.h>
#endif
#if !TRACKER_GRPC_LOGS_ITSELF || !TRACKER_PROTOBUF_LOGS_ITSELF
#include <absl/log/globals.h>
#endif

namespace tracker::server {

void TakeOverLibraryLogs() {
#if TRACKER_GRPC_LOGS_ITSELF
  gpr_set_log_function([](gpr_log_func_args* args) {
    Log(LogLevel::kDebug, "grpc", {{"message", std::string(args->message)}});
  });
#endif
#if TRACKER_PROTOBUF_LOGS_ITSELF
  google::protobuf::SetLogHandler(nullptr);
#endif
#if !TRACKER_GRPC_LOGS_ITSELF || !TRACKER_PROTOBUF_LOGS_ITSELF
  absl::SetStderrThreshold(absl::LogSeverityAtLeast::kFatal);
#endif
}

}  // namespace tracker::server
