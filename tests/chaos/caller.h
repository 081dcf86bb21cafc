// One worker of a chaos run: asks at random, remembers the locks that it was given, uses them well
// and badly, and writes down all that it asks and is told.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/chaos/history.h"
#include "tests/e2e/api.h"

namespace tracker::chaos {

struct CallerOptions {
  uint32_t process = 0;
  uint64_t seed = 0;
  // The trackerds' addresses.
  std::vector<std::string> servers;
  // The mean pause between two calls.
  absl::Duration pause = absl::Milliseconds(40);
};

// Used by one thread.
class Caller {
 public:
  // `numbers` counts the calls of the process; it and the writer must outlive the caller.
  Caller(const CallerOptions& options, HistoryWriter& writer, std::atomic<uint64_t>& numbers);

  // One call, with its repeats, and the pause after it.
  void Step();

 private:
  struct Held {
    std::string name_space;
    std::string id;
    std::string lock;
  };

  double Random() { return std::uniform_real_distribution<double>(0, 1)(random_); }
  int Below(int limit) { return std::uniform_int_distribution<int>(0, limit - 1)(random_); }
  absl::Duration UpTo(absl::Duration limit) { return limit * Random(); }
  // The token of a new lock: from the seed, so that a run can be had again.
  std::string NewLock();
  std::string AnyNamespace();
  std::string AnyId();
  // "by" with the name of this call, so that whose data a task has can be seen.
  void SetData(google::protobuf::Struct* data);

  // A lock to use: mostly one that is held, at times an old or a wrong one.
  Held AnyLock();
  void Remember(const v1::Task& task);
  void Forget(const std::string& lock);

  v1::Operation AnyWrite();
  v1::Operation AnyFinish();
  v1::Operation AnyOfOperator();
  v1::StartRequest AnyStart();
  Call AnyCall();
  absl::Duration AnyTimeout(const Call& call);

  // Sends it under a number of its own, and writes both down; whether the answer says what became
  // of it.
  bool Ask(Call& call);
  Answer Send(e2e::Api& api, const Call& call);
  void Learn(const Call& call, const Answer& answer);
  void Learn(const v1::Operation& operation, const v1::Task* task);

  const CallerOptions options_;
  HistoryWriter& writer_;
  std::atomic<uint64_t>& numbers_;
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<e2e::Api>> servers_;
  std::deque<Held> held_;
  // Locks whose attempts are over, as far as is known.
  std::deque<Held> spent_;
};

}  // namespace tracker::chaos
