// Many processes, one list: each task is done by one of them.
//
//   guide_multi_process [address]
#include <sys/wait.h>
#include <unistd.h>

#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tracker/client.h"
#include "tracker/worker.h"

namespace {

constexpr int kProcesses = 4;
constexpr int kTasks = 100;

// GUIDE-BEGIN multi-process
// Runs in each process. A client has threads and connections, which a fork would not carry over: so
// fork first, and connect in the child.
absl::Status WorkInChild(const std::string& address, const std::vector<std::string>& ids) {
  auto client = tracker::Client::Connect(address);
  tracker::Worker worker(
      client,
      {.name_space = "pages",
       .concurrency = 2,
       .ids = [&] { return ids; },
       .once = true,
       .create_if_missing = true},
      [](tracker::TaskGuard&) { return absl::StrCat("{\"pid\":", getpid(), "}"); });
  return worker.Run();
}
// GUIDE-END multi-process

}  // namespace

int main(int argc, char** argv) {
  const std::string address = argc > 1 ? argv[1] : "127.0.0.1:7070";
  std::vector<std::string> ids;
  ids.reserve(kTasks);
  for (int i = 0; i < kTasks; ++i) ids.push_back(absl::StrCat("page-", i));
  for (int i = 0; i < kProcesses; ++i) {
    if (fork() == 0) _exit(WorkInChild(address, ids).ok() ? 0 : 1);
  }
  bool ok = true;
  for (int i = 0, status = 0; i < kProcesses; ++i) ok &= wait(&status) > 0 && status == 0;
  // Each was started once: no attempt beyond the first.
  auto client = tracker::Client::Connect(address);
  int done = 0, attempts = 0;
  ok &= client
            ->ListEach({.name_space = "pages"},
                       [&](const tracker::Task& task) {
                         done += task.status == tracker::TaskStatus::kSucceeded;
                         attempts += task.attempts;
                         return true;
                       })
            .ok();
  std::cout << done << " done in " << attempts << " attempts\n";
  return ok ? 0 : 1;
}
