// A guard, and what to do when there is none to be had.
//
//   guide_guard [address]
#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "tracker/client.h"

// GUIDE-BEGIN guard
absl::Status Transcribe(tracker::Client& client, const std::string& id) {
  absl::StatusOr<tracker::TaskGuard> task =
      client.Start("recordings", id, {.lease = absl::Minutes(1), .create_if_missing = true});
  if (!task.ok()) {
    switch (tracker::ReasonOf(task.status())) {
      case tracker::Reason::kTaskSucceeded: return absl::OkStatus();  // somebody did it already
      case tracker::Reason::kTaskLocked: {
        // TaskOf tells who has it, RetryAfterOf for how long at most without a sign of life.
        const auto holder = tracker::TaskOf(task.status());
        std::cout << id << " is with " << (holder ? holder->worker : "another worker") << "\n";
        return task.status();
      }
      default: return task.status();
    }
  }

  int words = 0;
  for (int minute = 1; minute <= 5; ++minute) {
    // The lease is renewed in the background. Where that fails, another worker may take over.
    if (task->stop_token().stop_requested()) return task->lost();
    words += 150;
  }
  return std::move(*task).Succeed(absl::StrCat("{\"words\": ", words, "}"));
}  // every other way out, an exception included, fails the task
// GUIDE-END guard

int main(int argc, char** argv) {
  auto client = tracker::Client::Connect(argc > 1 ? argv[1] : "127.0.0.1:7070");
  for (int i = 0; i < 2; ++i) {
    if (absl::Status status = Transcribe(*client, "monday"); !status.ok()) {
      std::cerr << status << "\n";
      return 1;
    }
  }
  auto held = client->Start("recordings", "tuesday", {.create_if_missing = true});
  if (!held.ok()) return 1;
  if (tracker::ReasonOf(Transcribe(*client, "tuesday")) != tracker::Reason::kTaskLocked) return 1;
  if (!std::move(*held).Release().ok()) return 1;
  std::cout << client->Get("recordings", "monday")->data << "\n";
}
