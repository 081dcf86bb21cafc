// All lanes before the store: shares commands out among them by the hash of the id, so that those
// on one task meet in one lane.
//
// Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "src/domain/command.h"
#include "src/service/lane.h"
#include "src/service/tracker.h"

namespace tracker::service {

class Lanes {
 public:
  Lanes(store::Store* store, int count, const LaneOptions& options);

  // As Tracker::Write.
  void Write(std::vector<domain::Command> commands, CallContext context,
             Tracker::OutcomesCallback done);
  // The same, and waits for the outcomes. Not from a lane's thread.
  std::vector<domain::Outcome> WriteAndWait(std::vector<domain::Command> commands);

  // Takes no more, finishes what is queued, ends the threads. Repeatable.
  void Stop();

 private:
  size_t IndexOf(const std::string& id) const;

  std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace tracker::service
