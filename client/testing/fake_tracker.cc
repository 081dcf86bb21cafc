#include "tracker/testing/fake_tracker.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "client/testing/connected_clients.h"
#include "client/testing/in_process_server.h"
#include "client/testing/moved_clock.h"
#include "client/testing/network.h"

namespace tracker::testing {
namespace {

// A test that goes on without what it asked for would fail for no reason that one can see.
void CheckOk(const char* method, const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "FakeTracker::%s: %s\n", method, status.ToString().c_str());
  std::abort();
}

}  // namespace

class FakeTracker::Impl {
 public:
  Impl(std::shared_ptr<MovedClock> clock, std::unique_ptr<InProcessServer> server)
      : server_(std::move(server)),
        network_(std::make_shared<Network>()),
        clients_(network_, std::move(clock)) {}
  // Before the server goes: nobody should wait for it, or meet a stranger on its port.
  ~Impl() { network_->TakeDown(); }

  InProcessServer& server() { return *server_; }
  Network& network() { return *network_; }
  ConnectedClients& clients() { return clients_; }

 private:
  const std::unique_ptr<InProcessServer> server_;
  const std::shared_ptr<Network> network_;
  ConnectedClients clients_;
};

absl::StatusOr<std::unique_ptr<FakeTracker>> FakeTracker::Start() {
  auto clock = std::make_shared<MovedClock>();
  auto server = InProcessServer::Start(clock);
  if (!server.ok()) return server.status();
  auto impl = std::make_unique<Impl>(std::move(clock), *std::move(server));
  return std::unique_ptr<FakeTracker>(new FakeTracker(std::move(impl)));
}

FakeTracker::FakeTracker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FakeTracker::~FakeTracker() = default;

const std::string& FakeTracker::address() const { return impl_->server().address(); }

std::shared_ptr<Client> FakeTracker::Connect(ClientOptions options) {
  return impl_->clients().Connect(address(), std::move(options));
}

absl::Time FakeTracker::Now() const { return impl_->server().Now(); }

void FakeTracker::Advance(absl::Duration by) {
  CheckOk("Advance", impl_->server().Advance(by));
  impl_->clients().KeepLocks();
}

void FakeTracker::FailNext(int calls, absl::Status status) {
  impl_->network().FailNext(calls, std::move(status));
}

void FakeTracker::LoseNextAnswers(int calls) { impl_->network().LoseNextAnswers(calls); }

void FakeTracker::SetReachable(bool reachable) { impl_->network().SetReachable(reachable); }

void FakeTracker::Kill(const Client& client) {
  if (impl_->clients().Kill(client)) return;
  CheckOk("Kill", absl::InvalidArgumentError("this client was not made by Connect of this fake"));
}

}  // namespace tracker::testing
