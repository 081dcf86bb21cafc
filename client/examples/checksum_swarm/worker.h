// One worker process: finds tasks, takes them by name, hashes their files.
#pragma once

#include "client/examples/checksum_swarm/options.h"

namespace swarm {

// Works until no task is pending, failed or in progress. The exit code: 0, or 3 when the server
// stayed away.
int RunWorker(const Options& options);

}  // namespace swarm
