#include "client/testing/connected_clients.h"

#include <utility>

#include "client/src/grpc_transport.h"

namespace tracker::testing {
namespace {

// Short next to the shortest lease, 100 ms: real time passes, too.
constexpr absl::Duration kInterval = absl::Milliseconds(10);
// The server is in this process: only one that hangs takes longer.
constexpr absl::Duration kPatience = absl::Seconds(10);

}  // namespace

ConnectedClients::ConnectedClients(std::shared_ptr<Network> network,
                                   std::shared_ptr<MovedClock> clock)
    : network_(std::move(network)), clock_(std::move(clock)), periodic_(kInterval, [this] {
        std::lock_guard lock(keeping_);
        RunOnce();
        return false;
      }) {}

std::shared_ptr<Client> ConnectedClients::Connect(const std::string& address,
                                                  ClientOptions options) {
  // The server speaks in the clear, whatever the options say for production; so this cannot fail.
  auto server = internal::NewGrpcTransport(address, {}).value();
  auto transport = std::make_shared<FaultyTransport>(std::move(server), network_, clock_);
  auto core = std::make_shared<internal::ClientCore>(transport, std::move(options), clock_.get(),
                                                     /*heartbeat_thread=*/false);
  auto client = std::make_shared<Client>(core);
  std::lock_guard lock(mutex_);
  connected_.push_back({client, core, transport});
  return client;
}

bool ConnectedClients::Kill(const Client& client) {
  std::lock_guard lock(mutex_);
  for (const Connected& connected : connected_) {
    if (connected.client.lock().get() != &client) continue;
    if (const auto transport = connected.transport.lock()) transport->Kill();
    return true;
  }
  return false;
}

void ConnectedClients::KeepLocks() {
  std::lock_guard lock(keeping_);
  RunOnce();
  network_->AwaitHeartbeats(kPatience);
  // An answer may have said that a lock is lost.
  RunOnce();
}

void ConnectedClients::RunOnce() {
  const FaultyTransport::Heartbeats heartbeats;
  for (const auto& core : Cores()) core->keeper().RunOnce();
}

std::vector<std::shared_ptr<internal::ClientCore>> ConnectedClients::Cores() {
  std::vector<std::shared_ptr<internal::ClientCore>> cores;
  std::lock_guard lock(mutex_);
  std::erase_if(connected_, [](const Connected& connected) { return connected.core.expired(); });
  for (const Connected& connected : connected_) {
    if (auto core = connected.core.lock()) cores.push_back(std::move(core));
  }
  return cores;
}

}  // namespace tracker::testing
