#include "client/src/failure.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <memory>
#include <typeinfo>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "tracker/errors.h"

namespace tracker {
namespace {

constexpr char kNoRetryMark[] = "tracker.no_retry";
constexpr char kRetryAfterMark[] = "tracker.retry_after";

}  // namespace

absl::Status NonRetryable(absl::Status status) {
  if (!status.ok()) status.SetPayload(kNoRetryMark, absl::Cord());
  return status;
}

absl::Status RetryAfter(absl::Duration delay, absl::Status status) {
  const absl::Duration positive = std::max(delay, absl::ZeroDuration());
  if (!status.ok()) status.SetPayload(kRetryAfterMark, absl::Cord(absl::FormatDuration(positive)));
  return status;
}

bool IsNonRetryable(const absl::Status& status) {
  return status.GetPayload(kNoRetryMark).has_value();
}

std::optional<absl::Duration> RetryDelayOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kRetryAfterMark);
  absl::Duration delay;
  if (!payload || !absl::ParseDuration(std::string(*payload), &delay)) return std::nullopt;
  return delay;
}

namespace internal {
namespace {

std::string CurrentTypeName() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  return type == nullptr ? "an exception of an unknown type" : TypeName(type->name());
}

// Longer chains are cut: each link costs stack.
constexpr int kMaxNesting = 16;

void AddCurrentException(Failure& failure, int depth) {
  failure.message += CurrentTypeName();
  try {
    throw;
  } catch (const std::exception& e) {
    absl::StrAppend(&failure.message, ": ", e.what());
    if (dynamic_cast<const NonRetryableError*>(&e)) failure.options.no_retry = true;
    // The outermost says it.
    if (const auto* later = dynamic_cast<const RetryAfterError*>(&e);
        later && !failure.options.retry_delay)
      failure.options.retry_delay = later->delay();
    if (depth == kMaxNesting) return;
    try {
      std::rethrow_if_nested(e);
    } catch (...) {
      failure.message += "; caused by ";
      AddCurrentException(failure, depth + 1);
    }
  } catch (const std::string& text) {
    absl::StrAppend(&failure.message, ": ", text);
  } catch (const char* text) {
    absl::StrAppend(&failure.message, ": ", text ? text : "");
  } catch (...) {
    // Its type is all there is to say.
  }
}

}  // namespace

std::string TypeName(const char* mangled) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(
      abi::__cxa_demangle(mangled, nullptr, nullptr, &status), &std::free);
  return status == 0 ? name.get() : mangled;
}

Failure FailureOf(const absl::Status& status) {
  // Without the payloads, which are for programs.
  Failure failure{absl::StrCat(absl::StatusCodeToString(status.code()), ": ", status.message()),
                  {}};
  failure.options.no_retry = IsNonRetryable(status);
  failure.options.retry_delay = RetryDelayOf(status);
  return failure;
}

Failure FailureOfCurrentException() {
  Failure failure;
  AddCurrentException(failure, 0);
  return failure;
}

}  // namespace internal
}  // namespace tracker
