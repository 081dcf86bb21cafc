// How far a job is, while it runs: a bar on a terminal, now and then a line otherwise. On stderr,
// so that stdout has the result alone. Used by one thread.
#pragma once

#include <chrono>
#include <string>

#include "tracker/operator.h"

namespace tracker::cli {

// "4,500 of about 10,000 looked at, 800 changed, 3 left alone".
std::string ProgressText(const JobProgress& progress);

class ProgressLine {
 public:
  // `what` begins each line. Quiet: shows nothing.
  ProgressLine(std::string what, bool quiet);
  // Leaves the terminal's line empty.
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void Show(const JobProgress& progress);

 private:
  const std::string what_;
  const bool quiet_;
  const bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point next_line_;
};

}  // namespace tracker::cli
