// Long work that goes on where the attempt before it came to.
//
//   guide_checkpoint ADDRESS [page at which to crash]
#include <signal.h>

#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "tracker/client.h"

namespace {

int crash_at = 0;

void IndexPage(int page) {
  if (page == crash_at) raise(SIGKILL);
  std::cout << "page " << page << std::endl;
}

// GUIDE-BEGIN checkpoint
absl::Status IndexBook(tracker::Client& client, const std::string& id) {
  return client.Run("books", id, [](tracker::TaskGuard& task) -> absl::Status {
    // What the last attempt saved, or {} in the first one.
    const int done = nlohmann::json::parse(task.data()).value("done", 0);
    for (int page = done + 1; page <= 10; ++page) {
      IndexPage(page);
      // Once this is answered it is saved, whatever happens to this process. Lost: stop here.
      const absl::Status saved = task.Checkpoint(absl::StrCat("{\"done\": ", page, "}"));
      if (!saved.ok()) return saved;
    }
    return absl::OkStatus();
  });
}
// GUIDE-END checkpoint

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  if (argc > 2) crash_at = std::atoi(argv[2]);
  auto client = tracker::Client::Connect(argv[1], {.lease = absl::Milliseconds(500)});
  client->Create({.name_space = "books", .id = "moby-dick", .allow_existing = true}).IgnoreError();
  for (;;) {
    const absl::Status status = IndexBook(*client, "moby-dick");
    // The worker before has crashed: its task is free when its lease is over.
    const auto wait = tracker::RetryAfterOf(status);
    if (tracker::ReasonOf(status) == tracker::Reason::kTaskLocked && wait) {
      absl::SleepFor(*wait);
      continue;
    }
    std::cout << (status.ok() ? "indexed" : status.ToString()) << std::endl;
    return status.ok() ? 0 : 1;
  }
}
