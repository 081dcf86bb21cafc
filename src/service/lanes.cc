#include "src/service/lanes.h"

#include <xxhash.h>

#include <utility>

#include "absl/synchronization/notification.h"
#include "src/service/write_call.h"

namespace tracker::service {

Lanes::Lanes(store::Store* store, int count, const LaneOptions& options) {
  for (int i = 0; i < count; ++i) lanes_.push_back(std::make_unique<Lane>(store, options));
}

size_t Lanes::IndexOf(const std::string& id) const {
  return XXH3_64bits(id.data(), id.size()) % lanes_.size();
}

void Lanes::Write(std::vector<domain::Command> commands, CallContext context,
                  Tracker::OutcomesCallback done) {
  if (commands.empty()) return done({});
  auto call = std::make_shared<WriteCall>(commands.size(), std::move(context), std::move(done));
  if (commands.size() == 1) {
    Lane& lane = *lanes_[IndexOf(commands[0].key.id)];
    std::vector<Lane::Entry> entries;
    entries.push_back({std::move(commands[0]), std::move(call), 0});
    return lane.Enqueue(std::move(entries));
  }
  std::vector<std::vector<Lane::Entry>> parts(lanes_.size());
  for (size_t i = 0; i < commands.size(); ++i) {
    parts[IndexOf(commands[i].key.id)].push_back({std::move(commands[i]), call, i});
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!parts[i].empty()) lanes_[i]->Enqueue(std::move(parts[i]));
  }
}

std::vector<domain::Outcome> Lanes::WriteAndWait(std::vector<domain::Command> commands) {
  std::vector<domain::Outcome> outcomes;
  absl::Notification done;
  Write(std::move(commands), {}, [&](std::vector<domain::Outcome> answer) {
    outcomes = std::move(answer);
    done.Notify();
  });
  done.WaitForNotification();
  return outcomes;
}

void Lanes::Stop() {
  for (std::unique_ptr<Lane>& lane : lanes_) lane->Stop();
}

}  // namespace tracker::service
