// The health that clients and load balancers see (grpc.health.v1), for the server as a whole,
// for tracker.v1.TrackerService and for tracker.v1.AdminService. It follows the store; once
// draining it is NOT_SERVING for good. Thread-safe.
#pragma once

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/health_check_service_interface.h"

namespace tracker::server {

class Health {
 public:
  // What the store's health is now, and why where it is not good; logs when it changes.
  void OnStore(bool healthy, const std::string& reason = "");
  // The gRPC server is there. Not serving until then. `service` must stay until Detach.
  void Attach(grpc::HealthCheckServiceInterface* service);
  void Detach();
  void Drain();

 private:
  void Publish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  grpc::HealthCheckServiceInterface* service_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool store_known_ ABSL_GUARDED_BY(mutex_) = false;
  bool store_healthy_ ABSL_GUARDED_BY(mutex_) = false;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tracker::server
