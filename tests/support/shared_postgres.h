// One PostgreSQL for a whole test program.
#pragma once

#include "tests/support/postgres_cluster.h"

namespace tracker::testing {

// Started at the first call, with that call's options; stopped before main returns. Ends the
// program, and says why, when it cannot be started.
PostgresCluster& SharedPostgres(const PostgresClusterOptions& options = {});

}  // namespace tracker::testing
