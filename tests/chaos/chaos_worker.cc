// A worker process of a chaos run. Asks until it is told to end (SIGTERM), or killed.
//
//   chaos_worker PROCESS SEED THREADS PAUSE_MS HISTORY_FILE SERVER...
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "tests/chaos/caller.h"

namespace {

std::atomic<bool> ending{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set by a signal handler");

}  // namespace

int main(int argc, char** argv) {
  using namespace tracker::chaos;
  if (argc < 7) {
    std::fprintf(stderr,
                 "usage: chaos_worker PROCESS SEED THREADS PAUSE_MS HISTORY_FILE SERVER...\n");
    return 2;
  }
  signal(SIGTERM, [](int) { ending = true; });
  CallerOptions options{.process = static_cast<uint32_t>(std::atoi(argv[1])),
                        .servers = {argv + 6, argv + argc},
                        .pause = absl::Milliseconds(std::atoi(argv[4]))};
  const uint64_t seed = std::strtoull(argv[2], nullptr, 10);
  auto writer = HistoryWriter::Open(argv[5]);
  if (!writer.ok()) {
    std::fprintf(stderr, "%s\n", writer.status().ToString().c_str());
    return 1;
  }
  std::atomic<uint64_t> numbers{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < std::atoi(argv[3]); ++i) {
    // Its own for each thread of each process: any multiplier that keeps them apart will do.
    options.seed = seed + 1000 * uint64_t{options.process} + static_cast<uint64_t>(i);
    threads.emplace_back([&, options] {
      Caller caller(options, *writer, numbers);
      while (!ending) caller.Step();
    });
  }
  for (std::thread& thread : threads) thread.join();
  return 0;
}
