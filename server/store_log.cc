#include "server/store_log.h"

#include "server/logging.h"

namespace tracker::server {
namespace {

LogLevel LevelOf(store::StoreEvent::Level level) {
  switch (level) {
    case store::StoreEvent::Level::kDebug: return LogLevel::kDebug;
    case store::StoreEvent::Level::kInfo: return LogLevel::kInfo;
    case store::StoreEvent::Level::kWarn: return LogLevel::kWarn;
    case store::StoreEvent::Level::kError: return LogLevel::kError;
  }
  return LogLevel::kError;
}

void WriteToLog(const store::StoreEvent& event, int64_t left_out) {
  Log(LevelOf(event.level), event.name,
      {{"code", event.code}, {"text", event.text}, {"left_out", left_out}});
}

}  // namespace

StoreLog::StoreLog() : StoreLog(WriteToLog, absl::Now) {}

StoreLog::StoreLog(Write write, std::function<absl::Time()> now)
    : write_(std::move(write)), now_(std::move(now)) {}

void StoreLog::On(const store::StoreEvent& event) {
  int64_t left_out = 0;
  {
    absl::MutexLock lock(&mutex_);
    Seen& seen = seen_[{event.name, event.code}];
    const absl::Time now = now_();
    // A clock that was put back must not silence the log.
    if (now >= seen.written && now - seen.written < kStoreLogInterval) {
      ++seen.left_out;
      return;
    }
    seen.written = now;
    left_out = std::exchange(seen.left_out, 0);
  }
  write_(event, left_out);
}

}  // namespace tracker::server
