// The history of a chaos run: every call of every worker process, each process in a file of its
// own. A record is on its way to the file before its writer goes on, so that a worker which is
// killed leaves all that it has asked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/chaos/history.pb.h"

namespace tracker::chaos {

// Microseconds of the machine's monotonic clock: the same for all processes, and never moved by a
// library that fakes the clock for one of them, as the kernel is asked directly.
int64_t MonotonicMicros();

// Appends records to one file. Thread-safe.
class HistoryWriter {
 public:
  static absl::StatusOr<HistoryWriter> Open(const std::string& path);
  HistoryWriter(HistoryWriter&& other) noexcept;
  HistoryWriter& operator=(HistoryWriter&&) = delete;
  ~HistoryWriter();

  // Ends the process when the file cannot be written: a history with gaps proves nothing.
  void Write(const Record& record);

 private:
  explicit HistoryWriter(int file) : file_(file) {}

  int file_;
};

struct Exchange {
  Call call;
  // Whether there is an answer; its code may still be one that says nothing (Definite, acts.h).
  bool answered = false;
  Answer answer;
};

// All calls of the files, in the order in which they began. The last record of a file may be cut
// off, as its writer was killed; DataLoss for any other damage.
absl::StatusOr<std::vector<Exchange>> ReadHistory(const std::vector<std::string>& paths);

}  // namespace tracker::chaos
