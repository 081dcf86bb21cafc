// The rows that tasks have in the narrow tables tracker.ready, tracker.alarm and tracker.idle, by
// which they are found (docs/adr/0006). Pure; thread-safe.
#pragma once

#include <vector>

#include "src/store/batch.h"
#include "src/store/postgres/connection.h"

namespace tracker::store::postgres {

// What the batch changes in the three tables. Its tasks must be locked, so that each of these rows
// has one writer at a time.
std::vector<StatementCall> EntryCalls(int bucket, const Batch& batch);

}  // namespace tracker::store::postgres
