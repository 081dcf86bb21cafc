// BulkUpdate: does one thing to all tasks that a filter matches. A walk over List in the order of
// creation, which no update changes, so that each task is come upon once; tasks made after the walk
// began are left out, so that it ends. A task is written only if it still is as it was listed.
//
// Not thread-safe; for a thread of its own.
#pragma once

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "src/domain/command.h"
#include "src/service/job_run.h"
#include "src/service/tracker.h"
#include "src/store/store.h"

namespace tracker::service {

// Applies commands and waits for their outcomes.
using WriteFunction = std::function<std::vector<domain::Outcome>(std::vector<domain::Command>)>;

class BulkJob {
 public:
  BulkJob(store::Store* store, WriteFunction write, BulkRequest request);

  // Until all is done, or run says to end, or the store stays away.
  absl::Status Run(JobRun& run);

 private:
  // False: no task can match.
  bool Narrow();
  absl::Status EstimateTotal(JobRun& run);
  absl::Status ReadPage(JobRun& run, store::Page& page);
  absl::Status Update(std::vector<domain::Task> tasks, JobRun& run);
  domain::Command CommandFor(const domain::Task& task) const;

  store::Store* const store_;
  const WriteFunction write_;
  const BulkRequest request_;
  store::ListQuery query_;
  absl::Time end_ = absl::InfiniteFuture();
};

}  // namespace tracker::service
