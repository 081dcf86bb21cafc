#include "tests/bench/measure.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/bench/create.h"
#include "tests/bench/latencies.h"
#include "tests/bench/servers.h"

namespace tracker::bench {

absl::StatusOr<LoadResult> MeasureLoad(const LoadOptions& load, const std::string& how) {
  auto created =
      CreateTasks({.address = load.address, .name_space = load.name_space, .last = load.tasks});
  if (!created.ok()) return created.status();
  auto result = RunLoad(load);
  if (!result.ok()) return result.status();
  auto succeeded = CountSucceeded(load);
  if (!succeeded.ok()) return succeeded.status();
  if (*succeeded != result->cycles) {
    return absl::InternalError(absl::StrCat("the callers finished ", result->cycles,
                                            " tasks, and Count says ", *succeeded));
  }
  Say(absl::StrFormat("trackerd  %4d callers, %-14s %9.0f cycles/s   median %s, p99 %s",
                      load.callers, how, result->cycles_per_second, Milliseconds(result->median),
                      Milliseconds(result->p99)));
  Say(absl::StrFormat("          (%d tasks made by Batch(1000) at %.0f/s)", load.tasks,
                      created->overall));
  return result;
}

}  // namespace tracker::bench
