// A bounded set of connections to one database, opened when they are first needed and given up when
// they break. Thread-safe.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "src/store/postgres/connection.h"

namespace tracker::store::postgres {

class ConnectionPool {
 public:
  // One thread's use of a connection: given back at the end of its scope, or closed when it is of
  // no further use.
  class Lease {
   public:
    Lease(ConnectionPool* pool, std::unique_ptr<Connection> connection)
        : pool_(pool), connection_(std::move(connection)) {}
    Lease(Lease&&) = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    Connection* operator->() const { return connection_.get(); }
    Connection& operator*() const { return *connection_; }

   private:
    ConnectionPool* pool_;
    std::unique_ptr<Connection> connection_;
  };

  ConnectionPool(ConnectionSettings settings, int size)
      : settings_(std::move(settings)), free_(size) {}

  // Waits for a free one; Unavailable when the server cannot be reached.
  absl::StatusOr<Lease> Acquire();

 private:
  void Return(std::unique_ptr<Connection> connection);

  const ConnectionSettings settings_;
  absl::Mutex mutex_;
  // How many more may be in use; the idle ones count as free.
  int free_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Connection>> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tracker::store::postgres
