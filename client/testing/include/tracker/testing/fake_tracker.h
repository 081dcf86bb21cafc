// A Tracker server inside of a test: for the tests of programs that use tracker::Client.
//
//   auto fake = tracker::testing::FakeTracker::Start();
//   ASSERT_TRUE(fake.ok()) << fake.status();
//   auto client = (*fake)->Connect();
//   ...                                    // the code under test, with this client
//   (*fake)->Advance(absl::Minutes(15));   // the lease of a worker that hangs is over
//
// It is the real server, with its state machine and its gRPC service, over a private database that
// goes with it; only time and the network are in the test's hands. Each fake is a world of its own,
// and many may live at once.
//
// Thread-safe, but for the destructor. Not for production: it serves whoever can reach its port on
// this machine.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tracker/client.h"

namespace tracker::testing {

class FakeTracker {
 public:
  // Serves, with no tasks, on a free port of the loopback interface. The error says what could not
  // be had: a folder for temporary files, or a port.
  static absl::StatusOr<std::unique_ptr<FakeTracker>> Start();
  // Stops the server and removes its database. (A test that is killed leaves the folder,
  // tracker_fake.XXXXXX in TMPDIR.) Clients and guards may be left over: each of their calls then
  // ends at once with FailedPrecondition.
  ~FakeTracker();
  FakeTracker(const FakeTracker&) = delete;
  FakeTracker& operator=(const FakeTracker&) = delete;

  // host:port, for a program that takes an address and makes its own client, in any language. Such
  // clients see the server's time, but the clock of their machine and no faults.
  const std::string& address() const;

  // A client of this server whose time, by which leases, deadlines and pauses are counted, moves
  // with Advance. It stands for one worker process; make one for each. The options for TLS, tokens
  // and keepalive are left aside.
  std::shared_ptr<Client> Connect(ClientOptions options = {});

  // The time of the server. It runs on by itself, and Advance moves it.
  absl::Time Now() const;

  // Moves the time of the server and of Connect's clients by this much at once. Zero or less moves
  // nothing. When it returns
  //  - each lease that is over has ended, with lease_expired in the task's errors;
  //  - guards whose lock is lost, by time or by another worker, know: their stop_tokens have
  //    stopped, and the callbacks have run, on this thread or another;
  //  - guards whose lock holds have sent the heartbeats that came due.
  // To a worker it is as if its machine had slept so long: a step longer than the lease costs it
  // the lock. (A guard gives up a tenth of the lease before that, at most 5 s.) So for a worker
  // that lives take steps of up to a third of the lease: Advance heartbeats for it after each.
  // Must not be called by such a callback.
  void Advance(absl::Duration by);

  // What goes wrong on the way between Connect's clients and the server. A client repeats what
  // Unavailable answers, until ClientOptions::deadline; to see such an error in the end, give
  // Connect a deadline of zero. Each attempt counts as a call, and so does a Batch of many writes.
  // Faults are used up in the order in which they were asked for; heartbeats in the background use
  // up none.

  // The next `calls` calls are answered with `status`, which is not OK, and have no effect.
  void FailNext(int calls, absl::Status status);
  // The next `calls` calls are carried out, but the client is told Unavailable.
  void LoseNextAnswers(int calls);
  // False: as if the server was down. Every call is Unavailable, heartbeats included, and uses up
  // no fault. True: it is back.
  void SetReachable(bool reachable);
  // As if the process of this client, one of Connect's, was killed: no call, heartbeat or report of
  // it reaches the server any more. Its calls end at once with FailedPrecondition. What it holds
  // comes back when the leases are over.
  void Kill(const Client& client);

 private:
  class Impl;
  explicit FakeTracker(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace tracker::testing
