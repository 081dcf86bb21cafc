#include "server/file_limit.h"

#include <sys/resource.h>

#include <algorithm>
#include <limits>

namespace tracker::server {
namespace {

// A trackerd without clients has some 45 files open: gRPC's sockets and event descriptors, the log,
// SQLite's files.
constexpr int64_t kOwnFiles = 100;

}  // namespace

int64_t RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return -1;
  const rlim_t soft = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  const bool raised = setrlimit(RLIMIT_NOFILE, &limit) == 0;
  return static_cast<int64_t>(
      std::min<rlim_t>(raised ? limit.rlim_max : soft, std::numeric_limits<int64_t>::max()));
}

int64_t ConnectionsWithin(int64_t limit, int database_connections) {
  return std::max<int64_t>(limit - kOwnFiles - database_connections, 0);
}

}  // namespace tracker::server
