#include "server/health.h"

#include "server/logging.h"

namespace tracker::server {
namespace {

// "" is the server as a whole.
constexpr const char* kServices[] = {"", "tracker.v1.TrackerService", "tracker.v1.AdminService"};

}  // namespace

void Health::OnStore(bool healthy, const std::string& reason) {
  absl::MutexLock lock(&mutex_);
  const bool changed = !store_known_ || healthy != store_healthy_;
  const bool first = !store_known_;
  store_known_ = true;
  store_healthy_ = healthy;
  if (!changed || draining_) return;
  // A store that is there at the start is no news.
  if (!healthy) {
    Log(LogLevel::kError, "store_unavailable", {{"reason", reason}});
  } else if (!first) {
    Log(LogLevel::kInfo, "store_available");
  }
  Publish();
}

void Health::Attach(grpc::HealthCheckServiceInterface* service) {
  absl::MutexLock lock(&mutex_);
  service_ = service;
  Publish();
}

void Health::Detach() {
  absl::MutexLock lock(&mutex_);
  service_ = nullptr;
}

void Health::Drain() {
  absl::MutexLock lock(&mutex_);
  draining_ = true;
  Publish();
}

void Health::Publish() {
  if (service_ == nullptr) return;
  const bool serving = store_healthy_ && !draining_;
  for (const char* service : kServices) service_->SetServingStatus(service, serving);
}

}  // namespace tracker::server
