// The clients that a fake has made. Their locks are kept by one thread of this class instead of one
// of their own, so that a test can wait until they have been looked after. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "client/src/core.h"
#include "client/testing/faulty_transport.h"
#include "client/testing/moved_clock.h"
#include "client/testing/network.h"
#include "src/service/periodic.h"
#include "tracker/client.h"

namespace tracker::testing {

class ConnectedClients {
 public:
  ConnectedClients(std::shared_ptr<Network> network, std::shared_ptr<MovedClock> clock);
  ConnectedClients(const ConnectedClients&) = delete;
  ConnectedClients& operator=(const ConnectedClients&) = delete;

  std::shared_ptr<Client> Connect(const std::string& address, ClientOptions options);
  // False: it is none of these.
  bool Kill(const Client& client);

  // Sends the heartbeats that are due, waits for their answers, and tells the holders of locks that
  // are lost.
  void KeepLocks();

 private:
  struct Connected {
    std::weak_ptr<Client> client;
    // The client's and its guards', which may outlive it.
    std::weak_ptr<internal::ClientCore> core;
    std::weak_ptr<FaultyTransport> transport;
  };
  // With keeping_ held.
  void RunOnce();
  std::vector<std::shared_ptr<internal::ClientCore>> Cores();

  const std::shared_ptr<Network> network_;
  const std::shared_ptr<MovedClock> clock_;
  // One thread at a time: when it has it, all that another was about to tell has been told.
  std::mutex keeping_;
  std::mutex mutex_;
  std::vector<Connected> connected_;  // guarded by mutex_
  // Uses all of the above.
  service::Periodic periodic_;
};

}  // namespace tracker::testing
