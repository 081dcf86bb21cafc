// What a Batch becomes: the commands of its good operations, refusals of its bad ones, and in the
// end one answer with a result for each. Not thread-safe; one call owns it.
#pragma once

#include <optional>
#include <vector>

#include "google/rpc/status.pb.h"
#include "src/domain/command.h"
#include "tracker/v1/tracker.pb.h"

namespace tracker::server {

class BatchCall {
 public:
  // At most limits::kBatchOperations.
  explicit BatchCall(const v1::BatchRequest& request);

  // The commands of the good operations, in their order. Once.
  std::vector<domain::Command> TakeCommands() { return std::move(commands_); }

  // `outcomes` belong to the commands. Within limits::kAnswerBytes: what every result must have
  // comes first, then data and errors, and all of an error's details, for as many as there is room.
  v1::BatchResponse Answer(const std::vector<domain::Outcome>& outcomes) const;

 private:
  std::vector<domain::Command> commands_;
  // One for each operation; none: it has a command.
  std::vector<std::optional<google::rpc::Status>> refused_;
};

}  // namespace tracker::server
