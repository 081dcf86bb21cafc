// Callers that create, start and finish tasks as fast as they are answered, and a ledger of all
// that they were told, to be held against what the server says afterwards.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "tests/e2e/api.h"

namespace tracker::e2e {

using Request =
    std::variant<v1::CreateRequest, v1::StartRequest, v1::SucceedRequest, v1::FailRequest>;

// One task, as its caller knows it.
struct Entry {
  // The last answer; none: not even its creation was acknowledged.
  std::optional<v1::Task> acknowledged;
  // What was asked last.
  Request last;
  // The answer to `last` never came, and nobody asked again.
  bool abandoned = false;
  // Start requests so far, each with a lock of its own; every one was answered, but perhaps the
  // last. So fence and attempts of the task must end as this.
  int starts = 0;
};

struct LoadOptions {
  // With one connection each.
  int callers = 12;
  // Callers on top that send batches.
  int batch_callers = 2;
  // The share of the calls without an answer that are not repeated.
  double abandon = 0;
};

class Load {
 public:
  // Begins at once.
  Load(const std::string& address, LoadOptions options);
  // Stops as Stop does.
  ~Load();

  // Ends the callers; each still repeats its last request until it is answered.
  void Stop();
  // Ends the callers even while nobody answers; what they wait for is abandoned.
  void StopAtOnce();

  // May be asked at any time.
  int64_t acknowledged() const { return acknowledged_; }
  // Answers of UNAVAILABLE with Tracker's own reason, and those without: from gRPC.
  int64_t unavailable() const { return refused_ + unreachable_; }
  // What callers saw beside OK and UNAVAILABLE, with how often; should be empty.
  std::map<std::string, int> surprises() const;
  // The messages of gRPC's own UNAVAILABLE, with how often.
  std::map<std::string, int> disconnects() const;

  // After Stop: by id.
  const std::map<std::string, Entry>& ledger() const { return ledger_; }

 private:
  class Caller;

  // Counts the verdict; whether the request got no answer and may be sent again.
  bool Unanswered(const grpc::Status& status);

  const LoadOptions options_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> giving_up_{false};
  std::atomic<int64_t> acknowledged_{0};
  std::atomic<int64_t> refused_{0};
  std::atomic<int64_t> unreachable_{0};
  mutable std::mutex mutex_;
  std::map<std::string, int> surprises_;
  std::map<std::string, int> disconnects_;
  std::map<std::string, Entry> ledger_;
  std::vector<std::thread> threads_;
};

// Fails the test for each entry that the server contradicts: an acknowledged answer that is not
// there, something done twice or not at all when it is asked again, counts that are not those of
// the tasks.
void ExpectLedgerHolds(Api& api, const std::map<std::string, Entry>& ledger);

}  // namespace tracker::e2e
