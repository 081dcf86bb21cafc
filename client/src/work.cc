#include "client/src/work.h"

#include <cxxabi.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/src/failure.h"

namespace tracker::internal {
namespace {

// A failure that must not hide the exception on its way.
void FailQuietly(TaskGuard& guard) noexcept {
  try {
    if (!guard.open()) return;
    Failure failure = FailureOfCurrentException();
    std::move(guard).Fail(std::move(failure.message), failure.options).IgnoreError();
  } catch (...) {
    // Out of memory, most likely. The guard's destructor tries again.
  }
}

}  // namespace

absl::Status WorkAndReport(TaskGuard& guard, absl::FunctionRef<WorkResult(TaskGuard&)> work) {
  WorkResult result;
  try {
    result = work(guard);
  } catch (abi::__forced_unwind&) {
    // The thread is being cancelled; the guard's destructor reports it.
    throw;
  } catch (...) {
    FailQuietly(guard);
    throw;
  }
  if (!guard.open()) return result.status;
  if (!result.status.ok()) {
    const Failure failure = FailureOf(result.status);
    std::move(guard).Fail(failure.message, failure.options).IgnoreError();
    return result.status;
  }
  absl::Status reported = std::move(guard).Succeed(std::move(result.data));
  // NOLINTNEXTLINE(bugprone-use-after-move): a report that cannot be made leaves it open
  if (guard.open()) {
    std::move(guard)
        .Fail(absl::StrCat("the result could not be saved: ", reported.message()))
        .IgnoreError();
  }
  return reported;
}

}  // namespace tracker::internal
