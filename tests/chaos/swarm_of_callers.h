// Thousands of callers without threads of their own, which begin and finish one task after another
// with a deadline for each call, and a ledger of what they were told. Not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/e2e/api.h"

namespace tracker::e2e {

// What they were told; tasks are in kJobs.
struct Told {
  int64_t answered = 0;
  int64_t overloaded = 0;
  int64_t too_late = 0;
  int64_t cancelled = 0;
  // By id: acknowledged as begun, and as finished.
  std::set<std::string> begun;
  std::set<std::string> finished;
  // All else, which should be empty: what was said, and how often.
  std::map<std::string, int> surprises;
};

class SwarmOfCallers {
 public:
  struct Options {
    int callers = 1000;
    absl::Duration deadline = absl::Milliseconds(500);
    // Begins the ids.
    std::string prefix = "s";
  };
  SwarmOfCallers(const std::string& address, const Options& options);
  ~SwarmOfCallers();
  SwarmOfCallers(const SwarmOfCallers&) = delete;
  SwarmOfCallers& operator=(const SwarmOfCallers&) = delete;

  // Goes on until so many calls were turned away, or the time is up.
  void RunUntilOverloaded(int64_t count, absl::Duration limit);
  // The same for tasks that were finished.
  void RunUntilFinished(size_t count, absl::Duration limit);
  // Cancels all calls that are under way, and goes on with none.
  void HangUp();
  // Awaits what is under way, and goes on with none.
  void Finish();

  const Told& told() const { return told_; }

 private:
  class Caller;
  template <typename Condition>
  void RunWhile(const Condition& condition);

  const Options options_;
  std::vector<std::unique_ptr<v1::TrackerService::Stub>> stubs_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Caller>> callers_;
  int64_t next_task_ = 0;
  int running_ = 0;
  bool ending_ = false;
  Told told_;
};

}  // namespace tracker::e2e
