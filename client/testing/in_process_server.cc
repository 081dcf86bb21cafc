#include "client/testing/in_process_server.h"

#include <utility>

#include "absl/time/clock.h"
#include "server/config.h"
#include "src/store/sqlite/sqlite_store.h"

namespace tracker::testing {

absl::StatusOr<std::unique_ptr<InProcessServer>> InProcessServer::Start(
    std::shared_ptr<MovedClock> clock) {
  auto folder = TemporaryFolder::Make();
  if (!folder.ok()) return folder.status();
  store::OpenOptions options;
  options.clock_offset = [clock] { return clock->offset(); };
  auto store = store::OpenSqlite(((*folder)->path() / "tracker.db").string(), options);
  if (!store.ok()) return store.status();
  std::unique_ptr<InProcessServer> made(new InProcessServer(
      *std::move(folder), std::move(clock), std::make_unique<SteppedStore>(*std::move(store))));
  server::Config config;
  config.listen = "127.0.0.1:0";
  auto server = server::GrpcServer::Start(config, &made->tracker_, &made->health_);
  if (!server.ok()) return server.status();
  made->server_ = *std::move(server);
  return made;
}

InProcessServer::InProcessServer(std::unique_ptr<TemporaryFolder> folder,
                                 std::shared_ptr<MovedClock> clock,
                                 std::unique_ptr<SteppedStore> store)
    : folder_(std::move(folder)),
      clock_(std::move(clock)),
      store_(store.get()),
      tracker_(std::move(store), {.on_health = [this](bool ok, const std::string& reason) {
                 health_.OnStore(ok, reason);
               }}) {}

absl::Time InProcessServer::Now() const {
  return absl::FromUnixMicros(absl::ToUnixMicros(absl::Now() + clock_->offset()));
}

absl::Status InProcessServer::Advance(absl::Duration by) {
  return store_->Step([&] { clock_->Advance(by); });
}

}  // namespace tracker::testing
