// The smallest whole worker: one invoice, done by one worker at a time, whatever crashes.
//
//   ten_lines [address]
#include <iostream>

#include "tracker/client.h"

// README-BEGIN
absl::Status ProcessInvoice(tracker::Client& client, const std::string& id) {
  absl::StatusOr<tracker::TaskGuard> task =
      client.Start("invoices", id, {.lease = absl::Seconds(30), .create_if_missing = true});
  if (!task.ok()) return task.status();  // ReasonOf(status) says why, TaskOf(status) who has it
  for (int page = 1; page <= 3; ++page) {
    if (task->stop_token().stop_requested()) break;  // the lock is lost: stop, someone else has it
    std::cout << "page " << page << " of " << id << ", fence " << task->fence() << "\n";
  }
  return std::move(*task).Succeed(R"({"pages": 3})");  // without it the task fails at the brace
}
// README-END

int main(int argc, char** argv) {
  auto client = tracker::Client::Connect(argc > 1 ? argv[1] : "127.0.0.1:7070");
  const absl::Status status = ProcessInvoice(*client, "2026-001");
  std::cout << (status.ok() ? "done" : status.ToString()) << "\n";
  return status.ok() ? 0 : 1;
}
