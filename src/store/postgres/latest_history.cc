#include "src/store/postgres/latest_history.h"

namespace tracker::store::postgres {

bool LatestHistory::Admit(absl::string_view history) {
  if (history.empty()) return true;
  absl::MutexLock lock(&mutex_);
  const absl::string_view latest = latest_;
  // "SYSTEM/TIMELINE", and the timeline always has eight digits.
  const bool same_system =
      history.substr(0, history.find('/')) == latest.substr(0, latest.find('/'));
  if (same_system && history < latest) return false;
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
