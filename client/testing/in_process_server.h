// trackerd within this process: its service and its gRPC server on a free loopback port, over a
// SQLite file in a folder that goes with it. Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/testing/moved_clock.h"
#include "client/testing/stepped_store.h"
#include "client/testing/temporary_folder.h"
#include "server/grpc_server.h"
#include "server/health.h"
#include "src/service/tracker.h"

namespace tracker::testing {

class InProcessServer {
 public:
  // Its time is the machine's plus `clock`'s offset.
  static absl::StatusOr<std::unique_ptr<InProcessServer>> Start(std::shared_ptr<MovedClock> clock);
  // Cuts the calls that are under way.
  ~InProcessServer() = default;

  const std::string& address() const { return server_->address(); }
  absl::Time Now() const;
  // Moves the clock, and ends the leases that are over then. An error is the database's.
  absl::Status Advance(absl::Duration by);

 private:
  InProcessServer(std::unique_ptr<TemporaryFolder> folder, std::shared_ptr<MovedClock> clock,
                  std::unique_ptr<SteppedStore> store);

  // In the order in which each needs those before.
  const std::unique_ptr<TemporaryFolder> folder_;
  const std::shared_ptr<MovedClock> clock_;
  SteppedStore* const store_;  // tracker_'s
  server::Health health_;
  service::Tracker tracker_;
  std::unique_ptr<server::GrpcServer> server_;
};

}  // namespace tracker::testing
