#include "client/src/failure.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <memory>
#include <system_error>
#include <typeinfo>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
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

// Of how many exceptions of a chain, from the outermost on, a report tells. More would not be read.
constexpr size_t kMaxLinks = 16;

// One exception of a chain.
struct Link {
  // "std::runtime_error: text".
  std::string text;
  // What it carries; may be empty.
  std::string traceback;
  // What it was caused by; may be null.
  std::exception_ptr nested;
};

// The name of a type, from what std::type_info calls it.
std::string TypeName(const char* mangled) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> demangled(
      abi::__cxa_demangle(mangled, nullptr, nullptr, &status), &std::free);
  const absl::string_view name = status == 0 ? demangled.get() : mangled;
  // What std::throw_with_nested makes of a type: libstdc++'s own affair.
  absl::string_view nesting = name;
  if (absl::ConsumePrefix(&nesting, "std::_Nested_exception<") &&
      absl::ConsumeSuffix(&nesting, ">"))
    return std::string(absl::StripTrailingAsciiWhitespace(nesting));
  return std::string(name);
}

std::string CurrentTypeName() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  return type == nullptr ? "an exception of an unknown type" : TypeName(type->name());
}

// The outermost exception that says when to try again is heeded.
void Heed(const FailOptions& said, Failure& failure) {
  if (said.no_retry) failure.options.no_retry = true;
  if (!failure.options.retry_delay) failure.options.retry_delay = said.retry_delay;
}

void Heed(const std::exception& e, Failure& failure) {
  FailOptions said;
  said.no_retry = dynamic_cast<const NonRetryableError*>(&e) != nullptr;
  if (const auto* later = dynamic_cast<const RetryAfterError*>(&e))
    said.retry_delay = later->delay();
  Heed(said, failure);
}

std::string TextOf(const std::exception& e) {
  std::string text = absl::StrCat(": ", e.what());
  // Its text is the operating system's, and perhaps translated; the code is not.
  if (const auto* system = dynamic_cast<const std::system_error*>(&e)) {
    absl::StrAppend(&text, " (", system->code().category().name(), ":", system->code().value(),
                    ")");
  }
  return text;
}

std::string TracebackOf(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const CarriesTraceback& carrier) {
    try {
      return carrier.traceback();
    } catch (...) {
      // The exception's text is worth more.
    }
  } catch (...) {
    // It carries none.
  }
  return "";
}

// A type that does not show its base to these (a private or an ambiguous one) has nothing nested.
std::exception_ptr NestedIn(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const std::nested_exception& nesting) {
    // Null where there was nothing to nest. std::rethrow_if_nested would end the process then.
    return nesting.nested_ptr();
  } catch (...) {
    return nullptr;
  }
}

Link LinkOf(const std::exception_ptr& exception, Failure& failure) {
  Link link;
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& e) {
    link.text = CurrentTypeName() + TextOf(e);
    Heed(e, failure);
  } catch (const absl::Status& status) {
    const Failure said = FailureOf(status);
    link.text = absl::StrCat(CurrentTypeName(), ": ", said.message);
    Heed(said.options, failure);
  } catch (const std::string& text) {
    link.text = absl::StrCat(CurrentTypeName(), ": ", text);
  } catch (const char* text) {
    link.text = absl::StrCat(CurrentTypeName(), ": ", text ? text : "");
  } catch (...) {
    // Its type is all there is to say.
    link.text = CurrentTypeName();
  }
  link.traceback = TracebackOf(exception);
  link.nested = NestedIn(exception);
  return link;
}

void AppendLines(const std::string& text, std::string* out) {
  if (text.empty()) return;
  absl::StrAppend(out, text, absl::EndsWith(text, "\n") ? "" : "\n");
}

}  // namespace

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
  std::string lines;
  std::exception_ptr exception = std::current_exception();
  // Another language's, of which nothing can be asked.
  if (exception == nullptr) failure.message = "an exception that is not of C++";
  for (size_t links = 0; exception != nullptr; ++links) {
    const char* const caused = links == 0 ? "" : "caused by ";
    if (links > 0) failure.message += "; ";
    if (links == kMaxLinks) {
      absl::StrAppend(&failure.message, caused, "more");
      absl::StrAppend(&lines, caused, "more\n");
      break;
    }
    const Link link = LinkOf(exception, failure);
    absl::StrAppend(&failure.message, caused, link.text);
    // A single one's text is in the message already.
    if (links > 0 || link.nested != nullptr) absl::StrAppend(&lines, caused, link.text, "\n");
    AppendLines(link.traceback, &lines);
    exception = link.nested;
  }
  failure.options.traceback = std::move(lines);
  return failure;
}

}  // namespace internal
}  // namespace tracker
