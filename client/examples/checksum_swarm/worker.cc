#include "client/examples/checksum_swarm/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "client/examples/checksum_swarm/files.h"
#include "nlohmann/json.hpp"
#include "tracker/client.h"

namespace swarm {
namespace {

using tracker::TaskStatus;

class Worker {
 public:
  explicit Worker(const Options& options)
      : options_(options), client_(Connect(options)), random_(options.seed) {
    acks_ = open(options.acks.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  }
  ~Worker() { close(acks_); }

  absl::Status Run() {
    for (;;) {
      const auto started = Walk();
      if (!started.ok()) return started.status();
      if (*started > 0) continue;
      const auto left = CountLeft();
      if (!left.ok()) return left.status();
      if (*left == 0) return absl::OkStatus();
      // Others are at work; or were, and their leases have to end. No hurry, and not all at once.
      const absl::Duration wait = std::min(options_.lease / 8, absl::Milliseconds(500));
      std::this_thread::sleep_for(absl::ToChronoMilliseconds(wait * Random(0.5, 1.5)));
    }
  }

 private:
  static std::shared_ptr<tracker::Client> Connect(const Options& options) {
    tracker::ClientOptions client_options;
    client_options.lease = options.lease;
    return tracker::Client::Connect(options.server, client_options);
  }

  double Random(double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random_);
  }

  // Goes through the tasks that can be started, page by page; how many it took. The first walk
  // begins at a page chosen at random, and each page is taken in random order, so that the workers
  // seldom want the same task.
  absl::StatusOr<int> Walk() {
    tracker::ListOptions list;
    list.name_space = options_.name_space;
    list.statuses = {TaskStatus::kPending, TaskStatus::kFailed};
    list.order = tracker::ListOrder::kOldestFirst;
    list.page_size = 200;
    int skip = first_walk_ ? static_cast<int>(Random(0, 10)) : 0;
    first_walk_ = false;
    int started = 0;
    do {
      auto page = client_->List(list);
      if (!page.ok()) return page.status();
      list.page_token = page->next_page_token;
      if (skip-- > 0 && !list.page_token.empty()) continue;
      std::shuffle(page->tasks.begin(), page->tasks.end(), random_);
      int refused_in_a_row = 0;
      for (const tracker::Task& task : page->tasks) {
        const auto took = Take(task);
        if (!took.ok()) return took.status();
        started += *took ? 1 : 0;
        refused_in_a_row = *took ? 0 : refused_in_a_row + 1;
        // Others are ahead of this page.
        if (refused_in_a_row >= 10) break;
      }
    } while (!list.page_token.empty());
    return started;
  }

  // False: another worker was first.
  absl::StatusOr<bool> Take(const tracker::Task& listed) {
    auto guard = client_->Start(listed.name_space, listed.id);
    if (!guard.ok()) {
      if (tracker::ReasonOf(guard.status()) == tracker::Reason::kNone) return guard.status();
      return false;
    }
    const auto path = PathOfTask(guard->task());
    const auto digest =
        path.ok() ? Sha256OfFile(absl::StrCat(options_.directory, "/", *path), guard->stop_token())
                  : absl::StatusOr<Digest>(path.status());
    const int64_t fence = guard->fence();
    if (!digest.ok()) {
      tracker::FailOptions how;
      // What the file system says of names and rights it will say again.
      how.no_retry = digest.status().code() != absl::StatusCode::kUnknown &&
                     digest.status().code() != absl::StatusCode::kAborted;
      std::move(*guard).Fail(std::string(digest.status().message()), how).IgnoreError();
      return true;
    }
    auto data = nlohmann::json::parse(guard->data());
    if (listed.id == *path) data["path"] = *path;
    data["bytes"] = digest->bytes;
    data["sha256"] = digest->sha256;
    if (std::move(*guard).Succeed(data.dump()).ok()) Acknowledged(listed.id, fence);
    return true;
  }

  // On record outside of Tracker, for the check at the end.
  void Acknowledged(const std::string& id, int64_t fence) {
    const std::string line = absl::StrCat(fence, "\t", id, "\n");
    if (write(acks_, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
      std::perror("checksum_swarm: acknowledgements");
  }

  absl::StatusOr<int64_t> CountLeft() {
    const auto counts = client_->Count(options_.name_space);
    if (!counts.ok()) return counts.status();
    int64_t left = 0;
    for (const tracker::StatusCount& count : *counts) {
      const bool ended = count.status == TaskStatus::kSucceeded ||
                         count.status == TaskStatus::kExhausted ||
                         count.status == TaskStatus::kIgnored;
      if (!ended) left += count.count;
    }
    return left;
  }

  const Options& options_;
  std::shared_ptr<tracker::Client> client_;
  std::mt19937_64 random_;
  int acks_ = -1;
  bool first_walk_ = true;
};

}  // namespace

int RunWorker(const Options& options) {
  // A worker does not outlive its parent, however that ends.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != options.parent) return 1;
  const absl::Status status = Worker(options).Run();
  if (status.ok()) return 0;
  std::cerr << "\nchecksum_swarm: worker " << getpid() << " gives up: " << status << "\n";
  return 3;
}

}  // namespace swarm
