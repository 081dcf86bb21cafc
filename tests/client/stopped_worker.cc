// A worker to be stopped and woken by a test: holds a task until its lock is lost, then reports all
// the same, and says what it saw.
//
//   stopped_worker ADDRESS ID LEASE_MS
#include <cstdlib>
#include <iostream>
#include <thread>

#include "tracker/client.h"

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  auto client = tracker::Client::Connect(argv[1]);
  auto task =
      client->Start("jobs", argv[2],
                    {.lease = absl::Milliseconds(std::atoi(argv[3])), .create_if_missing = true});
  if (!task.ok()) {
    std::cout << task.status() << std::endl;
    return 1;
  }
  std::cout << "started" << std::endl;
  // It notices nothing while it is stopped; the first step after that is to look.
  bool held = task->held();
  while (held) {
    std::this_thread::yield();
    held = task->held();
  }
  std::cout << "not held" << std::endl;
  while (!task->stop_token().stop_requested()) std::this_thread::yield();
  std::cout << "told: " << task->lost().ToString(absl::StatusToStringMode::kWithNoExtraData)
            << std::endl;
  const absl::Status late = std::move(*task).Succeed(R"({"by":"the late one"})");
  std::cout << "late: " << ReasonName(tracker::ReasonOf(late)) << std::endl;
}
