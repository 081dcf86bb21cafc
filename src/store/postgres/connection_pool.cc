#include "src/store/postgres/connection_pool.h"

#include <utility>

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
    if (!idle_.empty()) {
      std::unique_ptr<Connection> connection = std::move(idle_.back());
      idle_.pop_back();
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
