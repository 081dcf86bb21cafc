#include "src/store/postgres/latest_history.h"

namespace tracker::store::postgres {

namespace {

// Of "SYSTEM/TIMELINE/RUN" what is before the run. The timeline always has eight digits, so those
// of one system are in the order of their texts.
absl::string_view TimelineOf(absl::string_view history) {
  return history.substr(0, history.find('/', history.find('/') + 1));
}
absl::string_view SystemOf(absl::string_view history) {
  return history.substr(0, history.find('/'));
}

}  // namespace

bool LatestHistory::Admit(absl::string_view history) {
  if (history.empty()) return true;
  absl::MutexLock lock(&mutex_);
  const absl::string_view latest = latest_;
  if (SystemOf(history) == SystemOf(latest) && TimelineOf(history) < TimelineOf(latest))
    return false;
  latest_ = std::string(history);
  return true;
}

bool LatestHistory::IsCurrent(absl::string_view history) const {
  absl::MutexLock lock(&mutex_);
  return history.empty() || latest_.empty() || history == latest_;
}

std::string LatestHistory::Get() const {
  absl::MutexLock lock(&mutex_);
  return latest_;
}

}  // namespace tracker::store::postgres
