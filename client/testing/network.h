// What lies between the clients of one fake and its server: the faults that the test asked for, and
// the heartbeats that are on their way. Thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace tracker::testing {

class Network {
 public:
  // See FakeTracker.
  void FailNext(int calls, absl::Status status);
  void LoseNextAnswers(int calls);
  void SetReachable(bool reachable);
  // The server is gone for good.
  void TakeDown();

  struct Fate {
    // Not OK: the call's answer; it does not reach the server.
    absl::Status refusal;
    bool answer_lost = false;
  };
  // What becomes of the next call; uses up a fault.
  Fate NextCall();
  // What becomes of a heartbeat in the background. One that is not refused is on its way until
  // HeartbeatAnswered.
  absl::Status NextHeartbeat();
  void HeartbeatAnswered();
  // Waits until no heartbeat is on its way, as long as `limit` of real time.
  void AwaitHeartbeats(absl::Duration limit);

 private:
  // An OK status: the answer is lost.
  struct Fault {
    absl::Status status;
    int calls = 0;
  };
  void Add(absl::Status status, int calls);
  // With mutex_ held.
  absl::Status Closed() const;

  std::mutex mutex_;
  std::condition_variable answered_;
  std::deque<Fault> faults_;  // guarded by mutex_
  bool reachable_ = true;     // guarded by mutex_
  bool taken_down_ = false;   // guarded by mutex_
  int heartbeats_ = 0;        // on their way; guarded by mutex_
};

}  // namespace tracker::testing
