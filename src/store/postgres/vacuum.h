// Vacuums tracker.ready and tracker.alarm when dead rows have piled up in them, which lie in the
// way of what reads their indexes from the beginning, as every claim and every look for what is due
// does. Autovacuum looks once a minute, in which millions may pile up. One thread at a time.
#pragma once

#include <functional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "src/base/monotonic.h"
#include "src/store/postgres/read.h"
#include "src/store/store.h"

namespace tracker::store::postgres {

// When a table is worth a vacuum again. One that left the dead rows where they are (an old
// transaction may still see them, or the role may not vacuum) is not repeated each second, but
// after twice as long each time. Pure.
class VacuumPause {
 public:
  bool IsDue(base::MonotonicTime now) const { return now >= next_; }
  // A vacuum ended at `now`; `helped`: the dead rows are gone.
  void Done(bool helped, base::MonotonicTime now);

 private:
  absl::Duration pause_ = absl::ZeroDuration();
  base::MonotonicTime next_ = absl::InfinitePast();
};

class Vacuumer {
 public:
  using OnEvent = std::function<void(const StoreEvent&)>;

  // `on_event` is told once where the role may not vacuum.
  Vacuumer(const ReadAccess* read, OnEvent on_event)
      : read_(*read), on_event_(std::move(on_event)) {}

  // As Store::Vacuum.
  absl::Status Run(const GoOn& go_on);

 private:
  absl::Status Vacuum(const std::string& table, const GoOn& go_on);

  const ReadAccess& read_;
  const OnEvent on_event_;
  absl::flat_hash_map<std::string, VacuumPause> pauses_;
  bool warned_ = false;
};

}  // namespace tracker::store::postgres
