#include "client/examples/checksum_swarm/progress.h"

#include <unistd.h>

#include <cmath>
#include <iostream>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace swarm {

using tracker::TaskStatus;

Progress::Progress(tracker::Client* client, std::string name_space, int64_t total)
    : client_(*client),
      name_space_(std::move(name_space)),
      total_(total),
      terminal_(isatty(STDERR_FILENO) != 0),
      begin_(absl::Now()),
      next_(begin_ + (terminal_ ? absl::Milliseconds(250) : absl::Seconds(2))) {}

Progress::~Progress() {
  if (terminal_ && shown_) std::cerr << "\r\x1b[K";
}

void Progress::Show(int workers, int killed) {
  const absl::Time now = absl::Now();
  if (now < next_) return;
  next_ = now + (terminal_ ? absl::Milliseconds(250) : absl::Seconds(2));
  const auto counts = client_.Count(name_space_);
  std::string line;
  if (counts.ok()) {
    std::map<TaskStatus, int64_t> by_status;
    for (const tracker::StatusCount& count : *counts) by_status[count.status] += count.count;
    const int64_t done = by_status[TaskStatus::kSucceeded] + by_status[TaskStatus::kExhausted] +
                         by_status[TaskStatus::kIgnored];
    const double rate = static_cast<double>(done) / absl::ToDoubleSeconds(now - begin_);
    line = absl::StrFormat("%d/%d files  %d%%  %.0f files/s", done, total_,
                           total_ == 0 ? 100 : done * 100 / total_, rate);
    if (rate > 0)
      absl::StrAppendFormat(&line, "  %.0f s left",
                            std::ceil(static_cast<double>(total_ - done) / rate));
    absl::StrAppendFormat(&line, "  %d in progress  %d failed", by_status[TaskStatus::kInProgress],
                          by_status[TaskStatus::kFailed]);
    if (by_status[TaskStatus::kExhausted] > 0)
      absl::StrAppendFormat(&line, "  %d exhausted", by_status[TaskStatus::kExhausted]);
  } else {
    line = absl::StrCat("the server does not answer (",
                        absl::StatusCodeToString(counts.status().code()), "); still trying");
  }
  absl::StrAppendFormat(&line, "  %d workers", workers);
  if (killed > 0) absl::StrAppendFormat(&line, "  %d killed", killed);
  shown_ = true;
  if (terminal_) {
    std::cerr << "\r" << line << "\x1b[K" << std::flush;
  } else {
    std::cerr << line << "\n";
  }
}

std::string Bytes(int64_t bytes) {
  const char* const units[] = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return absl::StrCat(bytes, " bytes");
  double number = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (number >= 1024 && unit < 3) {
    number /= 1024;
    ++unit;
  }
  return absl::StrFormat("%.1f %s", number, units[unit]);
}

}  // namespace swarm
