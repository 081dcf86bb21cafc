// Many callers without threads of their own: each answer sends the next call. A completion queue
// serves all callers of one connection, which leaves the machine's cores to the servers.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <thread>
#include <vector>

#include "tests/bench/load_run.h"
#include "tests/bench/rpc.h"

namespace tracker::bench {

using Stubs = std::vector<std::unique_ptr<v1::TrackerService::Stub>>;

// A Caller is made of (AnyRun*, Stub*, CompletionQueue*), where AnyRun is a Run or more. Begin
// sends its first call with itself as the tag; Answered deals with the answer and sends the next.
// Both: false when there is nothing more to do.
template <typename Caller, typename AnyRun>
void RunAsyncCallers(AnyRun& run, v1::TrackerService::Stub& stub, int count) {
  grpc::CompletionQueue queue;
  std::vector<std::unique_ptr<Caller>> callers;
  int running = 0;
  for (int i = 0; i < count; ++i) {
    callers.push_back(std::make_unique<Caller>(&run, &stub, &queue));
    if (callers.back()->Begin()) ++running;
  }
  void* tag = nullptr;
  bool ok = false;
  while (running > 0 && queue.Next(&tag, &ok)) {
    if (!static_cast<Caller*>(tag)->Answered()) --running;
  }
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
}

// All callers of the run, a thread for each stub.
template <typename Caller, typename AnyRun>
void RunAsyncCallers(AnyRun& run, const Stubs& stubs) {
  const int count = static_cast<int>(stubs.size());
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    const int callers = run.options.callers / count + (i < run.options.callers % count ? 1 : 0);
    threads.emplace_back(
        [&run, &stub = *stubs[i], callers] { RunAsyncCallers<Caller>(run, stub, callers); });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace tracker::bench
