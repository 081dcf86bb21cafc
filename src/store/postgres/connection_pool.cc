#include "src/store/postgres/connection_pool.h"

#include <utility>

#include "src/store/postgres/latest_history.h"

namespace tracker::store::postgres {

ConnectionPool::Lease::~Lease() {
  if (connection_ == nullptr) return;
  connection_->Rollback();
  pool_->Return(std::move(connection_));
}

absl::StatusOr<ConnectionPool::Lease> ConnectionPool::Acquire() {
  {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](int* free) { return *free > 0; }, &free_));
    --free_;
    while (!idle_.empty()) {
      std::unique_ptr<Connection> connection = std::move(idle_.back());
      idle_.pop_back();
      // Another pool may have met a primary that has taken this one's place.
      const LatestHistory* const latest = settings_.latest_history.get();
      if (latest != nullptr && !latest->IsCurrent(connection->history())) continue;
      return Lease(this, std::move(connection));
    }
  }
  absl::StatusOr<std::unique_ptr<Connection>> connection = Connection::Open(settings_);
  if (connection.ok()) return Lease(this, *std::move(connection));
  absl::MutexLock lock(&mutex_);
  ++free_;
  return connection.status();
}

void ConnectionPool::Return(std::unique_ptr<Connection> connection) {
  absl::MutexLock lock(&mutex_);
  ++free_;
  if (connection->usable()) {
    idle_.push_back(std::move(connection));
  } else {
    // The others are likely as dead: a restarted server has none of them.
    idle_.clear();
  }
}

}  // namespace tracker::store::postgres
