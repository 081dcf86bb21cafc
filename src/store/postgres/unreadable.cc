#include "src/store/postgres/unreadable.h"

#include "src/store/postgres/claim_statements.h"
#include "src/store/postgres/statements.h"

namespace tracker::store::postgres {
namespace {

// Finding one costs some sixteen small statements.
constexpr absl::Duration kLeftOut = absl::Minutes(1);
// More damaged rows than this are no longer worth working around.
constexpr size_t kMost = 1000;

}  // namespace

absl::StatusOr<int> Unreadable::Find(Connection& connection, int bucket,
                                     const std::vector<domain::TaskKey>& keys) {
  if (keys.empty()) return 0;
  const absl::Status read = connection.Execute({kReadable, KeyValues(bucket, keys)}).status();
  if (read.ok()) return 0;
  if (!absl::IsDataLoss(read)) return read;
  if (keys.size() == 1) {
    absl::MutexLock lock(&mutex_);
    if (until_.size() >= kMost) until_.clear();
    until_[keys[0]] = base::MonotonicNow() + kLeftOut;
    return 1;
  }
  const auto middle = keys.begin() + static_cast<std::ptrdiff_t>(keys.size() / 2);
  const absl::StatusOr<int> first = Find(connection, bucket, {keys.begin(), middle});
  if (!first.ok()) return first;
  const absl::StatusOr<int> second = Find(connection, bucket, {middle, keys.end()});
  if (!second.ok()) return second;
  return *first + *second;
}

std::vector<std::string> Unreadable::Of(const std::string& name_space) {
  std::vector<std::string> ids;
  absl::MutexLock lock(&mutex_);
  if (until_.empty()) return ids;
  const base::MonotonicTime now = base::MonotonicNow();
  absl::erase_if(until_, [now](const auto& left_out) { return left_out.second <= now; });
  for (const auto& [key, until] : until_) {
    if (key.name_space == name_space) ids.push_back(key.id);
  }
  return ids;
}

}  // namespace tracker::store::postgres
