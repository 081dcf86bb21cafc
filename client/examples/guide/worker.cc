// A service that works on all tasks of a namespace, and stops when it is told to.
//
//   guide_worker [address [once]]
#include "tracker/worker.h"

#include <chrono>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "tracker/client.h"
#include "tracker/termination.h"

namespace {

void ReadSome() { std::this_thread::sleep_for(std::chrono::milliseconds(1)); }

// GUIDE-BEGIN worker
// The ids to try next: what is pending or failed, oldest first.
absl::StatusOr<std::vector<std::string>> OpenScans(tracker::Client& client) {
  auto page =
      client.List({.name_space = "scans",
                   .statuses = {tracker::TaskStatus::kPending, tracker::TaskStatus::kFailed},
                   .order = tracker::ListOrder::kOldestFirst});
  if (!page.ok()) return page.status();
  std::vector<std::string> ids;
  for (const tracker::Task& task : page->tasks) ids.push_back(task.id);
  return ids;
}

absl::Status Read(tracker::TaskGuard& task, std::stop_token stopping) {
  for (int page = 0; page < 3; ++page) {
    // The worker is to stop: give the task back, at no cost. Short work would just go on to its
    // end.
    if (stopping.stop_requested()) return std::move(task).Release();
    // The lock is lost: whatever comes now is not ours to do.
    if (task.stop_token().stop_requested()) return task.lost();
    ReadSome();
  }
  return absl::OkStatus();
}

absl::Status Serve(std::shared_ptr<tracker::Client> client, bool once) {
  tracker::Worker worker(client,
                         {.name_space = "scans",
                          .concurrency = 4,
                          .ids = [&] { return OpenScans(*client); },
                          .once = once,
                          .lease = absl::Seconds(30),
                          .time_limit = absl::Minutes(10),
                          .stop_timeout = absl::Seconds(20)},
                         Read);
  tracker::OnTermination on_sigterm([&] { worker.RequestStop(); });
  return worker.Run();  // returns when all has stopped; what would not end was given back
}
// GUIDE-END worker

}  // namespace

int main(int argc, char** argv) {
  auto client = tracker::Client::Connect(argc > 1 ? argv[1] : "127.0.0.1:7070");
  const absl::Status status = Serve(client, argc > 2);
  std::cout << (status.ok() ? "stopped" : status.ToString()) << "\n";
  return status.ok() ? 0 : 1;
}
