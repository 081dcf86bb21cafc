// A TCP proxy on 127.0.0.1 that brings faults of a network about on command, between a gRPC client
// and trackerd or between trackerd and PostgreSQL.
//
// What one side sends is taken as it arrives, up to 64 KiB at a time. On a gRPC connection a
// request is what completes a call, and its answer what begins to answer a call: settings, pings
// and windows are neither. On any other connection each piece of the client is a request, and the
// server's next piece its answer; so the client of a PostgreSQL should use neither TLS nor GSSAPI.
//
// Thread-safe. A command holds for all that arrives after it has returned.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace tracker::testing {

class FaultProxy {
 public:
  // All since the start.
  struct Counts {
    int64_t accepted = 0;
    // Connections of clients that Refuse has closed, or that found no server.
    int64_t refused = 0;
    // Closed by CutAll, or at the end of HalfOpen.
    int64_t cut = 0;
    int64_t lost_requests = 0;
    int64_t lost_answers = 0;
    int64_t bytes = 0;
  };

  // Listens on a free port of 127.0.0.1 and connects each client to `server_port` there.
  static absl::StatusOr<std::unique_ptr<FaultProxy>> Start(int server_port);
  // Closes all connections.
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  int port() const { return port_; }
  // Where connections go that are accepted from now on.
  void SetServerPort(int server_port);

  // Each direction's bytes go on so much later than they came.
  void Delay(absl::Duration delay);
  // The server's only.
  void DelayAnswers(absl::Duration delay);
  // Resets all present connections, on both sides, and returns when that is done.
  void CutAll();
  // Both sides stay open, and nothing passes in either direction; new connections are accepted, and
  // get nothing. At the end of it all these are closed.
  void HalfOpen(bool half_open);
  // New connections are closed at once.
  void Refuse(bool refuse);
  // No fault any more: takes back all that has been commanded and has not happened.
  void Heal();

  // The next `count` requests that have all of `texts` in them go through; the answer of each, once
  // it comes, is thrown away, and the connection is closed on both sides. `meanwhile` runs in
  // between, on a thread of its own: the client has not heard of anything then.
  void CutAfterRequest(int count, std::vector<std::string> texts = {},
                       std::function<void()> meanwhile = nullptr);
  // The next `count` requests that have all of `texts` in them do not reach the server, which goes
  // on waiting for 30 s or until Heal, while the client's connection is closed.
  void LoseRequest(int count, std::vector<std::string> texts = {});
  // The next answer that has this text in one piece is thrown away, and the connection closed.
  void LoseAnswerWith(std::string text);

  Counts counts() const;
  // Connections of clients at the moment.
  int open() const;

 private:
  struct Link;
  struct Waiting;
  // Requests to be lost, or whose answers are.
  struct Loss {
    int count = 0;
    std::vector<std::string> texts;
    std::function<void()> meanwhile;

    // Whether this request is one of them; counts it then.
    bool Takes(const std::string& bytes);
  };

  FaultProxy();
  absl::Status Listen();
  // Has the thread obey, and returns when it has.
  void Command(const std::function<void()>& change);
  void Wake() const;

  // Of the thread.
  void Run();
  Waiting Prepare() const;
  void Obey();
  void Accept();
  void Serve(const std::shared_ptr<Link>& link, int client_events, int server_events);
  void TakeRequest(Link& link, std::string bytes);
  void TakeAnswer(const std::shared_ptr<Link>& link, std::string bytes);
  void LoseAnswer(const std::shared_ptr<Link>& link);
  void RemoveClosed();

  // Constant after Start.
  int listener_ = -1;
  int port_ = 0;
  // Ends the wait of the thread.
  int bell_ = -1;
  std::thread thread_;

  // Guards all that follows; the thread's own methods but Prepare have it locked. Not Abseil's,
  // which ThreadSanitizer does not see.
  mutable std::mutex mutex_;
  std::condition_variable has_obeyed_;
  bool stopping_ = false;
  int server_port_ = 0;
  absl::Duration request_delay_;
  absl::Duration answer_delay_;
  bool half_open_ = false;
  bool refuse_ = false;
  bool cut_all_ = false;
  bool heal_ = false;
  // Commands given, and obeyed.
  int64_t commanded_ = 0;
  int64_t obeyed_ = 0;
  Loss lost_request_;
  Loss lost_answer_;
  std::string marker_;
  Counts counts_;
  std::vector<std::shared_ptr<Link>> links_;
};

}  // namespace tracker::testing
