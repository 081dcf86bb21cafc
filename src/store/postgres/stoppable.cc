#include "src/store/postgres/stoppable.h"

#include <thread>

#include "src/base/monotonic.h"

namespace tracker::store::postgres {
namespace {

// How long after the end of its caller's patience a statement may still run.
constexpr absl::Duration kLook = absl::Milliseconds(100);

template <typename Run>
absl::StatusOr<Rows> Stoppably(Connection& connection, const GoOn& go_on, const Run& run) {
  if (!go_on) return run();
  if (absl::Status status = go_on(); !status.ok()) return status;
  absl::Status stopped;
  base::Bell over;
  std::thread watch([&] {
    while (!over.WaitFor(kLook)) {
      if (stopped.ok()) stopped = go_on();
      // Again at each look: the first may have come before the statement was there.
      if (!stopped.ok()) connection.Cancel();
    }
  });
  absl::StatusOr<Rows> rows = run();
  over.Ring();
  watch.join();
  if (stopped.ok()) return rows;
  // A cancellation that came late must not hit whoever has the connection next.
  connection.Abandon();
  return stopped;
}

}  // namespace

absl::StatusOr<Rows> ExecuteStoppable(Connection& connection, const StatementCall& call,
                                      const GoOn& go_on) {
  return Stoppably(connection, go_on, [&] { return connection.Execute(call); });
}

absl::StatusOr<Rows> ExecuteTextStoppable(Connection& connection, const std::string& sql,
                                          const GoOn& go_on) {
  return Stoppably(connection, go_on, [&] { return connection.ExecuteText(sql); });
}

}  // namespace tracker::store::postgres
