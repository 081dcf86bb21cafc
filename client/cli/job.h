// A job of the server's that is watched from here, and stopped by Ctrl-C.
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "client/cli/session.h"
#include "tracker/operator.h"

namespace tracker::cli {

// As shells say of a program that SIGINT has ended.
inline constexpr int kStopped = 130;

struct JobEnd {
  absl::Status status;
  // The last that was heard of it.
  JobProgress progress;
  bool stopped = false;
};

using Job =
    std::function<absl::StatusOr<JobProgress>(const Operator::OnProgress&, std::stop_token)>;

// Shows how far it is, after `what`.
JobEnd Watch(const Session& session, const std::string& what, const Job& job);

// For a job that did not end well: says how far it came and why it ended; answers the exit code.
int ExplainEnd(const Session& session, const JobEnd& end);

}  // namespace tracker::cli
