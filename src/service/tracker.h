// The use cases of Tracker over a store: writes through lanes that batch naturally, reads through a
// few threads, the reaper, the health of the store. Everything is asynchronous: no call blocks or
// touches the database, so RPC callbacks may call it.
//
// Thread-safe. Each callback is called exactly once: on a lane's or a reader's thread, or at once
// on the caller's when the call is turned away. Callbacks must not block.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/base/limits.h"
#include "src/domain/command.h"
#include "src/store/store.h"

namespace tracker::service {

// What is known of the caller while its call waits.
struct CallContext {
  // Past it the call is dropped before it costs anything.
  absl::Time deadline = absl::InfiniteFuture();
  // Set by the caller when nobody waits for the answer any more; may be null.
  std::shared_ptr<const std::atomic<bool>> cancelled;
};

struct ListRequest {
  // All but limit's page cursor; `after` is taken from page_token.
  store::ListQuery query;
  std::string page_token;
};

struct ListAnswer {
  std::vector<domain::Task> tasks;
  absl::Time now;
  std::string next_page_token;
};

struct CountAnswer {
  std::vector<store::StatusCount> counts;
};

struct TrackerOptions {
  // 0: as many as the store has use for.
  int lanes = 0;
  size_t lane_queue_commands = limits::kLaneQueueCommands;
  size_t lane_queue_bytes = limits::kLaneQueueBytes;
  int readers = 2;
  // How often leases that are over are looked for (with none found, and jittered). A quarter second
  // keeps 'in bounded time' well under the shortest useful lease, at four cheap statements a
  // second.
  absl::Duration reap_interval = absl::Milliseconds(250);
  absl::Duration ping_interval = absl::Seconds(1);
  // Told whenever the store goes away or comes back, from a thread of the service; once at the
  // start, with what is so then.
  std::function<void(bool healthy)> on_health;
};

class Tracker {
 public:
  using OutcomeCallback = absl::AnyInvocable<void(domain::Outcome)>;
  using OutcomesCallback = absl::AnyInvocable<void(std::vector<domain::Outcome>)>;
  using ListCallback = absl::AnyInvocable<void(absl::StatusOr<ListAnswer>)>;
  using CountCallback = absl::AnyInvocable<void(absl::StatusOr<CountAnswer>)>;

  Tracker(std::unique_ptr<store::Store> store, TrackerOptions options);
  // Stops as Stop does.
  ~Tracker();
  Tracker(const Tracker&) = delete;
  Tracker& operator=(const Tracker&) = delete;

  // Applies commands that have been validated. The i-th outcome is the i-th command's; those on one
  // task take effect in their order.
  void Write(std::vector<domain::Command> commands, CallContext context, OutcomesCallback done);

  void Get(domain::TaskKey key, CallContext context, OutcomeCallback done);
  // InvalidArgument: the page token is not one of these filters'.
  void List(ListRequest request, CallContext context, ListCallback done);
  void Count(std::string name_space, CallContext context, CountCallback done);

  // Whether the store answered the last time it was asked.
  bool healthy() const;

  // Turns new calls away with kStoreUnavailable, finishes what is queued, stops the threads.
  // Repeatable; returns when done.
  void Stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tracker::service
