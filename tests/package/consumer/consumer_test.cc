// A test of the consumer's, as simple as can be: it goes through what only a server within it
// allows.
#include <iostream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "expect.h"
#include "tracker/client.h"
#include "tracker/testing/fake_tracker.h"

#ifdef WITH_OWN_PROTOS
#include "own_protos.h"
#endif

int main() {
  const auto fake = tracker::testing::FakeTracker::Start();
  Expect(fake.ok(), "the server starts: " + fake.status().ToString());
  const auto client = (*fake)->Connect({.worker = "consumer"});
  auto hung = client->Start("tests", "1", {.create_if_missing = true});
  Expect(hung.ok(), "a task is started: " + hung.status().ToString());

  const auto other = (*fake)->Connect();
  const absl::Status locked = other->Start("tests", "1").status();
  Expect(tracker::ReasonOf(locked) == tracker::Reason::kTaskLocked, "a second start is refused");
#ifdef WITH_OWN_PROTOS
  const auto payload = locked.GetPayload("type.googleapis.com/google.rpc.Status");
  Expect(payload && WorkerOf(std::string(*payload)) == "consumer",
         "the program's own messages read the server's");
#endif

  (*fake)->Kill(*client);
  (*fake)->Advance(absl::Minutes(15));  // its lease is over
  auto next = other->Start("tests", "1");
  Expect(next.ok(), "the next one starts it: " + next.status().ToString());
  Expect(next->fence() == 2, "with a later fence");
  Expect(std::move(*next).Succeed().ok(), "and succeeds");
  std::cout << "time and a crash went as they should\n";
}
