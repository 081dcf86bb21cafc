// A TCP proxy that, on command, loses an answer and the connection with it: the client does not
// know then whether what it asked for was done. Before a PostgreSQL, the answer of a commit; before
// any server, an answer with a text in it.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

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
  // The answer of the next commit whose request has this text is lost so, after `meanwhile` has
  // run: the client has not yet heard of anything then.
  void LoseAnswerOfCommitWith(std::string text, std::function<void()> meanwhile = nullptr) {
    absl::MutexLock lock(&mutex_);
    lost_commit_ = {std::move(text), std::move(meanwhile)};
  }
  // The next commit whose request has this text does not reach the server, which goes on waiting
  // for it, while the client's connection is closed, after `meanwhile` has run.
  void SwallowCommitWith(std::string text, std::function<void()> meanwhile = nullptr) {
    absl::MutexLock lock(&mutex_);
    swallowed_commit_ = {std::move(text), std::move(meanwhile)};
  }
  // Every answer takes so much longer from now on.
  void DelayAnswers(absl::Duration delay) { delay_ms_ = absl::ToInt64Milliseconds(delay); }
  // The next answer that has this text in one piece is thrown away, and the connection closed.
  void LoseAnswerWith(std::string text) {
    absl::MutexLock lock(&mutex_);
    marker_ = std::move(text);
  }
  int lost() const { return lost_; }

 private:
  CuttingProxy() = default;
  void Accept(int server_port);
  struct CommitToLose {
    std::string text;
    std::function<void()> meanwhile;
  };
  void Serve(int client, int server);
  // Whether the request is the commit of LoseAnswerOfCommitWith, or of SwallowCommitWith; once.
  bool IsToLose(const std::string& bytes, std::function<void()>* meanwhile);
  bool IsToSwallow(const std::string& bytes, std::function<void()>* meanwhile);
  // Whether the bytes are to be lost; once.
  bool IsMarked(const std::string& bytes);

  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> to_lose_ = 0;
  std::atomic<int> lost_ = 0;
  std::atomic<int64_t> delay_ms_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread acceptor_;
  absl::Mutex mutex_;
  std::string marker_ ABSL_GUARDED_BY(mutex_);
  CommitToLose lost_commit_ ABSL_GUARDED_BY(mutex_);
  CommitToLose swallowed_commit_ ABSL_GUARDED_BY(mutex_);
  // Ends of connections to the server that are left open.
  std::vector<int> left_open_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> servers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tracker::testing
