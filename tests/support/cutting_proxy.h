// A TCP proxy that, on command, loses an answer and the connection with it: the client does not
// know then whether what it asked for was done. Before a PostgreSQL, the answer of a commit; before
// any server, an answer with a text in it.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

namespace tracker::testing {

class CuttingProxy {
 public:
  // Listens on a free port of 127.0.0.1 and connects each client to `server_port` there.
  static absl::StatusOr<std::unique_ptr<CuttingProxy>> Start(int server_port);
  // Closes all connections.
  ~CuttingProxy();

  int port() const { return port_; }

  // The next `count` commits reach the server, which answers; the answer is thrown away, and the
  // connection closed.
  void LoseAnswersOfCommits(int count) { to_lose_ = count; }
  // The next answer that has this text in one piece is thrown away, and the connection closed.
  void LoseAnswerWith(std::string text) {
    absl::MutexLock lock(&mutex_);
    marker_ = std::move(text);
  }
  int lost() const { return lost_; }

 private:
  CuttingProxy() = default;
  void Accept(int server_port);
  void Serve(int client, int server);
  // Whether the bytes are to be lost; once.
  bool IsMarked(const std::string& bytes);

  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> to_lose_ = 0;
  std::atomic<int> lost_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread acceptor_;
  absl::Mutex mutex_;
  std::string marker_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> servers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tracker::testing
