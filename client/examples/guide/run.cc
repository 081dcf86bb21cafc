// Client::Run: how a function ends is how its task ends.
//
//   guide_run [address]
#include <execinfo.h>

#include <array>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

#include "absl/strings/str_cat.h"
#include "tracker/client.h"

namespace {

// GUIDE-BEGIN traceback
// A bug in this program. It takes the stack where it is made, which is where it is thrown.
class Bug : public std::logic_error, public tracker::CarriesTraceback {
 public:
  explicit Bug(const std::string& what)
      : std::logic_error(what), count_(backtrace(frames_.data(), kFrames)) {}
  std::string traceback() const override {
    const std::unique_ptr<char*, decltype(&std::free)> names(
        backtrace_symbols(frames_.data(), count_), &std::free);
    std::string text;
    // Innermost last: of a long text the end is kept.
    for (int i = count_ - 1; names && i >= 0; --i) absl::StrAppend(&text, names.get()[i], "\n");
    return text;
  }

 private:
  static constexpr int kFrames = 64;
  std::array<void*, kFrames> frames_{};
  int count_;
};
// GUIDE-END traceback

absl::StatusOr<int> Charge(const std::string& id) {
  if (id == "no-such-card") return absl::NotFoundError("no such card");
  if (id == "bank-closed") return absl::UnavailableError("the bank is closed");
  if (id == "bug") throw Bug("cents");
  return 995;
}

// GUIDE-BEGIN run
absl::Status Collect(tracker::Client& client, const std::string& id) {
  return client.Run("payments", id,
                    [&](tracker::TaskGuard& task) -> absl::StatusOr<std::string> {
                      absl::StatusOr<int> cents = Charge(task.task().id);
                      if (absl::IsNotFound(cents.status()))
                        return tracker::NonRetryable(cents.status());
                      if (!cents.ok())
                        return tracker::RetryAfter(absl::Minutes(10), cents.status());
                      return absl::StrCat("{\"cents\": ", *cents, "}");  // becomes the task's data
                    },
                    {.create_if_missing = true});
}
// GUIDE-END run

void Show(tracker::Client& client, const std::string& id) {
  const auto task = client.Get("payments", id);
  if (!task.ok()) return;
  std::cout << id << ": " << TaskStatusName(task->status);
  if (!task->errors.empty()) std::cout << ", " << task->errors.back().message;
  std::cout << "\n";
}

}  // namespace

int main(int argc, char** argv) {
  tracker::ClientOptions options;
  // GUIDE-BEGIN logger
  options.logger = [](tracker::LogLevel, const std::string& line) { std::clog << line + "\n"; };
  // GUIDE-END logger
  auto client = tracker::Client::Connect(argc > 1 ? argv[1] : "127.0.0.1:7070", options);
  for (const char* id : {"card-1", "no-such-card", "bank-closed", "bug"}) {
    try {
      const absl::Status status = Collect(*client, id);
      if (tracker::ReportFailed(status))
        std::cerr << "charged, but not recorded: " << status << "\n";
    } catch (const Bug&) {
      // Recorded with its text and its traceback, and thrown on as it was.
    }
    Show(*client, id);
  }
}
