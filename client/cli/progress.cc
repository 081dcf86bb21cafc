#include "client/cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/text.h"

namespace tracker::cli {
namespace {

// In a log, a line a second would be many.
constexpr std::chrono::seconds kLineInterval{5};
constexpr int kBarColumns = 24;

// The total is only about right.
std::string Bar(const JobProgress& progress) {
  if (progress.total <= 0) return "";
  const double share = std::clamp(
      static_cast<double>(progress.scanned) / static_cast<double>(progress.total), 0.0, 1.0);
  const int full = static_cast<int>(share * kBarColumns);
  return absl::StrCat("[", std::string(full, '#'), std::string(kBarColumns - full, '.'), "] ",
                      static_cast<int>(share * 100), "%  ");
}

}  // namespace

std::string ProgressText(const JobProgress& progress) {
  std::string text;
  const auto add = [&text](const std::string& part) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", part);
  };
  if (progress.total > 0) {
    add(absl::StrCat(Grouped(progress.scanned), " of about ",
                     Grouped(std::max(progress.total, progress.scanned)), " looked at"));
  } else if (progress.scanned > 0) {
    add(absl::StrCat(Grouped(progress.scanned), " looked at"));
  }
  add(absl::StrCat(Grouped(progress.matched), " found"));
  if (progress.updated > 0) add(absl::StrCat(Grouped(progress.updated), " changed"));
  if (progress.skipped > 0) add(absl::StrCat(Grouped(progress.skipped), " left alone"));
  return text;
}

ProgressLine::ProgressLine(std::string what, bool quiet)
    : what_(std::move(what)),
      quiet_(quiet),
      terminal_(isatty(STDERR_FILENO) != 0),
      next_line_(std::chrono::steady_clock::now() + kLineInterval) {}

ProgressLine::~ProgressLine() {
  if (drawn_) std::cerr << "\r\x1b[K" << std::flush;
}

void ProgressLine::Show(const JobProgress& progress) {
  if (quiet_) return;
  if (terminal_) {
    std::cerr << "\r\x1b[K" << what_ << ": " << Bar(progress) << ProgressText(progress)
              << std::flush;
    drawn_ = true;
  } else if (std::chrono::steady_clock::now() >= next_line_) {
    std::cerr << what_ << ": " << ProgressText(progress) << "\n";
    next_line_ = std::chrono::steady_clock::now() + kLineInterval;
  }
}

}  // namespace tracker::cli
