#include "src/service/bulk_job.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/time/time.h"
#include "src/base/limits.h"
#include "src/base/token.h"

namespace tracker::service {

using domain::Outcome;
using domain::Reason;
using domain::Status;

namespace {

// With a rate limit, steps a second: small enough to look even.
constexpr int kRateSteps = 4;

int StepLimit(int max_per_second) {
  if (max_per_second == 0) return limits::kJobStep;
  return std::clamp(max_per_second / kRateSteps, 1, limits::kJobStep);
}

}  // namespace

BulkJob::BulkJob(store::Store* store, WriteFunction write, BulkRequest request)
    : store_(store), write_(std::move(write)), request_(std::move(request)) {
  query_ = request_.filter;
  query_.order = store::Order::kOldestFirst;
  query_.limit = StepLimit(request_.dry_run ? 0 : request_.max_per_second);
  query_.after.reset();
  query_.purpose = store::Purpose::kJob;
}

bool BulkJob::Narrow() {
  if (request_.action != BulkAction::kRetry) return true;
  std::vector<Status> retried = {Status::kFailed, Status::kExhausted};
  if (!query_.statuses.empty()) {
    std::erase_if(retried,
                  [&](Status status) { return !absl::c_linear_search(query_.statuses, status); });
  }
  query_.statuses = retried;
  return !retried.empty();
}

absl::Status BulkJob::EstimateTotal(JobRun& run) {
  absl::StatusOr<std::vector<store::StatusCount>> counts;
  absl::Status status = run.Persist([&] {
    // One namespace, so one page.
    counts = store_->Count(query_.name_space);
    return counts.status();
  });
  if (!status.ok()) return status;
  for (const store::StatusCount& count : *counts) {
    if (query_.statuses.empty() || absl::c_linear_search(query_.statuses, count.status)) {
      run.progress.total += count.count;
    }
  }
  return absl::OkStatus();
}

absl::Status BulkJob::ReadPage(JobRun& run, store::Page& page) {
  return run.Persist([&]() -> absl::Status {
    absl::StatusOr<store::Page> read = store_->List(query_);
    if (!read.ok()) return read.status();
    page = *std::move(read);
    return absl::OkStatus();
  });
}

absl::Status BulkJob::Run(JobRun& run) {
  if (!Narrow()) return absl::OkStatus();
  if (absl::Status status = EstimateTotal(run); !status.ok()) return status;
  while (true) {
    store::Page page;
    if (absl::Status status = ReadPage(run, page); !status.ok()) return status;
    if (end_ == absl::InfiniteFuture()) end_ = page.now;
    const size_t read = page.tasks.size();
    std::erase_if(page.tasks, [&](const domain::Task& task) { return task.create_time > end_; });
    const bool at_end = page.tasks.size() < read || !page.next;
    query_.after = page.next;
    run.progress.scanned += page.scanned;
    run.progress.matched += static_cast<int64_t>(page.tasks.size());
    absl::Duration pause = absl::ZeroDuration();
    if (!request_.dry_run) {
      if (request_.max_per_second > 0 && !at_end) {
        pause = absl::Seconds(page.tasks.size()) / request_.max_per_second;
      }
      absl::Status status = Update(std::move(page.tasks), run);
      if (!status.ok()) return status;
    }
    if (absl::Status status = run.Wait(pause); !status.ok()) return status;
    if (at_end) return absl::OkStatus();
  }
}

domain::Command BulkJob::CommandFor(const domain::Task& task) const {
  domain::Command command{.key = task.key, .token = NewLockToken()};
  switch (request_.action) {
    case BulkAction::kRetry:
    case BulkAction::kReset:
      command.action = domain::Reset{.force = request_.force, .as_of = task.update_time};
      break;
    case BulkAction::kIgnore: command.action = domain::Ignore{.as_of = task.update_time}; break;
    case BulkAction::kDelete:
      command.action = domain::Delete{.force = request_.force, .as_of = task.update_time};
      break;
  }
  return command;
}

absl::Status BulkJob::Update(std::vector<domain::Task> tasks, JobRun& run) {
  std::vector<domain::Command> commands;
  commands.reserve(tasks.size());
  for (const domain::Task& task : tasks) commands.push_back(CommandFor(task));
  bool again = false;
  return run.Persist([&]() -> absl::Status {
    std::vector<Outcome> outcomes = write_(commands);
    std::vector<domain::Command> left;
    for (size_t i = 0; i < outcomes.size(); ++i) {
      // The first try may have been committed after all, though nobody knew.
      const bool gone = again && outcomes[i].reason == Reason::kTaskNotFound &&
                        request_.action == BulkAction::kDelete;
      if (outcomes[i].ok() || gone) {
        ++run.progress.updated;
      } else if (domain::MayPass(outcomes[i].reason)) {
        left.push_back(std::move(commands[i]));
      } else {
        ++run.progress.skipped;
      }
    }
    commands = std::move(left);
    again = true;
    return commands.empty() ? absl::OkStatus()
                            : absl::UnavailableError("the database cannot be reached");
  });
}

}  // namespace tracker::service
