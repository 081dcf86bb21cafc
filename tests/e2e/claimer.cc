// A worker process of claim_race_test: claims tasks until there are none, finishes them, and prints
// the id of each that it was given, one a line. `claimer ADDRESS NAMESPACE THREADS LIMIT`.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/base/token.h"
#include "tests/e2e/api.h"

namespace tracker::e2e {
namespace {

// What one thread was given.
std::vector<std::string> ClaimAll(const std::string& address, const std::string& name_space,
                                  int limit) {
  Api api(address);
  std::vector<std::string> ids;
  while (true) {
    v1::ClaimRequest claim;
    claim.set_namespace_(name_space);
    claim.set_limit(limit);
    claim.set_lock(NewLockToken());
    const auto claimed = api.Call(claim);
    if (!claimed.ok()) {
      std::fprintf(stderr, "claim: %s\n", claimed.Verdict().c_str());
      std::exit(1);
    }
    if (claimed.body.tasks().empty()) return ids;
    v1::BatchRequest batch;
    for (const v1::Task& task : claimed.body.tasks()) {
      ids.push_back(task.id());
      v1::SucceedRequest* succeed = batch.add_operations()->mutable_succeed();
      succeed->set_namespace_(name_space);
      succeed->set_id(task.id());
      succeed->set_lock(task.lock());
    }
    const auto finished = api.Call(batch);
    for (const v1::OperationResult& result : finished.body.results()) {
      if (!result.has_error()) continue;
      std::fprintf(stderr, "succeed: %s\n", result.error().message().c_str());
      std::exit(1);
    }
  }
}

int Main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: claimer ADDRESS NAMESPACE THREADS LIMIT\n");
    return 2;
  }
  std::vector<std::vector<std::string>> ids(std::strtoul(argv[3], nullptr, 10));
  std::vector<std::thread> threads;
  for (auto& of_one : ids) {
    threads.emplace_back([&] { of_one = ClaimAll(argv[1], argv[2], std::atoi(argv[4])); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& of_one : ids) {
    for (const std::string& id : of_one) std::printf("%s\n", id.c_str());
  }
  return 0;
}

}  // namespace
}  // namespace tracker::e2e

int main(int argc, char** argv) { return tracker::e2e::Main(argc, argv); }
