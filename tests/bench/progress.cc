#include "tests/bench/progress.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

namespace tracker::bench {
namespace {

constexpr int kWidth = 30;
constexpr absl::Duration kDrawEvery = absl::Milliseconds(200);

}  // namespace

Progress::Progress(std::string what, int64_t total)
    : what_(std::move(what)),
      total_(total),
      began_(absl::Now()),
      terminal_(isatty(STDERR_FILENO) != 0),
      drawn_(began_) {}

void Progress::Update(int64_t done) {
  const absl::Time now = absl::Now();
  const bool due = terminal_ ? now - drawn_ >= kDrawEvery : done * 10 / total_ > tenths_;
  if (!due && done < total_) return;
  drawn_ = now;
  tenths_ = done * 10 / total_;
  const auto filled = static_cast<size_t>(done * kWidth / total_);
  absl::FPrintF(stderr, "%s%s [%s%s] %3d %%  %d of %d  %.0f/s%s", terminal_ ? "\r" : "", what_,
                std::string(filled, '#'), std::string(kWidth - filled, ' '), done * 100 / total_,
                done, total_, static_cast<double>(done) / absl::ToDoubleSeconds(now - began_),
                !terminal_ || done >= total_ ? "\n" : "");
  std::fflush(stderr);
}

}  // namespace tracker::bench
