// consumer SERVER NAMESPACE: goes once through what a program does with tracker::client.
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "expect.h"
#include "tracker/client.h"
#include "tracker/termination.h"
#include "tracker/worker.h"

#ifdef WITH_OWN_PROTOS
#include "own_protos.h"
#endif

namespace {

void StartAndSucceed(tracker::Client& client, const std::string& name_space) {
  absl::StatusOr<tracker::TaskGuard> task =
      client.Start(name_space, "good", {.lease = absl::Seconds(30), .create_if_missing = true});
  Expect(task.ok(), "a task is started: " + task.status().ToString());
  Expect(task->held() && task->fence() == 1, "its lock is held, with the first fence");

  const absl::Status locked = client.Start(name_space, "good").status();
  Expect(tracker::ReasonOf(locked) == tracker::Reason::kTaskLocked, "a second start is refused");
  Expect(tracker::TaskOf(locked)->worker == "consumer", "the refusal tells who holds the task");
  Expect(tracker::RetryAfterOf(locked) > absl::ZeroDuration(), "and until when");
#ifdef WITH_OWN_PROTOS
  const auto payload = locked.GetPayload("type.googleapis.com/google.rpc.Status");
  Expect(payload && WorkerOf(std::string(*payload)) == "consumer",
         "the program's own messages read the same");
#endif

  const absl::Status done = std::move(*task).Succeed(R"({"pages":3})");
  Expect(done.ok(), "the task succeeds: " + done.ToString());
  Expect(tracker::ReasonOf(client.Start(name_space, "good").status()) ==
             tracker::Reason::kTaskSucceeded,
         "a succeeded task is not started again");
}

void RunThatThrows(tracker::Client& client, const std::string& name_space) {
  bool caught = false;
  try {
    client
        .Run(name_space, "bad",
             [](tracker::TaskGuard&) { throw std::runtime_error("page 7 cannot be read"); },
             {.create_if_missing = true})
        .IgnoreError();
  } catch (const std::runtime_error& error) {
    caught = error.what() == std::string("page 7 cannot be read");
  }
  Expect(caught, "an exception comes out of Run as it was");
  const absl::StatusOr<tracker::Task> task = client.Get(name_space, "bad");
  Expect(task.ok() && task->status == tracker::TaskStatus::kFailed, "it failed the task");
  Expect(task->errors.size() == 1 &&
             task->errors[0].message.find("page 7 cannot be read") != std::string::npos,
         "with its text");
}

class Unwilling : public tracker::NonRetryableError, public tracker::CarriesTraceback {
 public:
  using NonRetryableError::NonRetryableError;
  std::string traceback() const override { return "in Unwilling"; }
};

// The library knows its own types in what the program throws.
void RunThatThrowsTypesOfTheLibrary(tracker::Client& client, const std::string& name_space) {
  try {
    client
        .Run(name_space, "unwilling",
             [](tracker::TaskGuard&) { throw Unwilling("no such customer"); },
             {.create_if_missing = true})
        .IgnoreError();
  } catch (const Unwilling&) {
  }
  const absl::StatusOr<tracker::Task> task = client.Get(name_space, "unwilling");
  Expect(task.ok() && task->status == tracker::TaskStatus::kExhausted, "it is not tried again");
  Expect(task->errors[0].message.ends_with("Unwilling: no such customer"),
         "with type and text: " + task->errors[0].message);
  Expect(task->errors[0].traceback == "in Unwilling\n", "with the traceback that it carries");
}

void LeaveByException(tracker::Client& client, const std::string& name_space) {
  try {
    auto task = client.Start(name_space, "left", {.create_if_missing = true});
    Expect(task.ok(), "a task is started: " + task.status().ToString());
    throw std::runtime_error("page 7 cannot be read");
  } catch (const std::exception&) {
  }
  const absl::StatusOr<tracker::Task> task = client.Get(name_space, "left");
  Expect(task.ok() && task->status == tracker::TaskStatus::kFailed, "it failed the task");
  Expect(task->errors[0].message == "the guard was left by an exception",
         "and says how: " + task->errors[0].message);
}

void WorkThroughSome(const std::shared_ptr<tracker::Client>& client,
                     const std::string& name_space) {
  tracker::Worker worker(client,
                         {.name_space = name_space,
                          .concurrency = 2,
                          .ids =
                              [] {
                                return std::vector<std::string>{"w1", "w2", "w3"};
                              },
                          .once = true,
                          .create_if_missing = true},
                         [](tracker::TaskGuard& task) { return task.SetData("{}"); });
  tracker::OnTermination stop([&] { worker.RequestStop(); });
  Expect(worker.Run().ok() && worker.stats().succeeded == 3, "a worker does its tasks");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const auto client = tracker::Client::Connect(argv[1], {.worker = "consumer"});
  const std::string name_space = argv[2];
  Expect(
      tracker::ReasonOf(client->Get(name_space, "none").status()) == tracker::Reason::kTaskNotFound,
      "a task that is not there is told");
  StartAndSucceed(*client, name_space);
  RunThatThrows(*client, name_space);
  RunThatThrowsTypesOfTheLibrary(*client, name_space);
  LeaveByException(*client, name_space);
  WorkThroughSome(client, name_space);
  std::cout << "good and bad went as they should\n";
}
