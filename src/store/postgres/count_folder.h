// Keeps the counters short: commits only append to tracker.task_count (docs/adr/0004), and what
// belongs to one namespace and status is summed up here. To find what has piled up the table must
// be read, which with 100,000 namespaces costs a tenth of a second: so that is done only once the
// rows that were appended since the last look are worth it, as PostgreSQL's statistics count them.
// They come late, by ten seconds at worst, and never on a cluster's coordinator: so there is a look
// now and then in any case. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "src/store/postgres/read.h"

namespace tracker::store::postgres {

// Rows appended to a table of so many rows after which it is worth reading all of it: a tenth, so
// that a row appended costs the reading of ten at most. Pure.
int64_t WorthALook(int64_t rows);

class CountFolder {
 public:
  // One bounded step, to be called about once a second.
  absl::Status Step(const ReadAccess& read);

 private:
  // Whether to look; `appended` and `rows` are what the statistics say now.
  bool Due(int64_t appended, int64_t rows);

  absl::Mutex mutex_;
  // What the statistics said at the last look; none: there was none, or it left work undone.
  std::optional<int64_t> looked_at_ ABSL_GUARDED_BY(mutex_);
  int steps_since_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace tracker::store::postgres
