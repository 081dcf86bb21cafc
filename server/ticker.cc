#include "server/ticker.h"

#include <algorithm>
#include <iterator>
#include <thread>
#include <utility>

namespace tracker::server {

Ticker& Ticker::Shared() {
  static auto* const ticker = new Ticker();
  return *ticker;
}

Ticker::Ticker() {
  std::thread([this] { Run(); }).detach();
}

void Ticker::Add(std::function<bool()> tick) {
  {
    absl::MutexLock lock(&mutex_);
    added_.push_back({.next = base::MonotonicNow() + kInterval, .tick = std::move(tick)});
  }
  bell_.Ring();
}

void Ticker::Run() {
  std::vector<Entry> entries;
  while (true) {
    base::MonotonicTime next = absl::InfiniteFuture();
    for (const Entry& entry : entries) next = std::min(next, entry.next);
    bell_.WaitFor(next - base::MonotonicNow());
    const base::MonotonicTime now = base::MonotonicNow();
    std::erase_if(entries, [now](Entry& entry) {
      if (entry.next > now) return false;
      entry.next = now + kInterval;
      return !entry.tick();
    });
    absl::MutexLock lock(&mutex_);
    std::move(added_.begin(), added_.end(), std::back_inserter(entries));
    added_.clear();
  }
}

}  // namespace tracker::server
