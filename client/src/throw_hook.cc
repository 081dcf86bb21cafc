#include "client/src/throw_hook.h"

#include <atomic>
#include <exception>

namespace tracker::internal {
namespace {

std::atomic<int> interested = 0;

}  // namespace

ThrowInterest::ThrowInterest() { interested.fetch_add(1, std::memory_order_relaxed); }
ThrowInterest::~ThrowInterest() { interested.fetch_sub(1, std::memory_order_relaxed); }

}  // namespace tracker::internal

#if defined(__GLIBCXX__) && !defined(TRACKER_NO_THROW_HOOK)

#include <cxxabi.h>
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <string>
#include <typeinfo>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tracker/errors.h"

namespace tracker::internal {
namespace {

// An exception that was thrown and may be on its way. Plain memory: it is written while anything
// may be wrong.
struct Note {
  const char* type_name;  // mangled; null: nothing is noted
  bool has_text;
  bool no_retry;
  bool has_retry_delay;
  absl::Duration retry_delay;
  std::array<char, 1024> text;
};

// By how many exceptions are on their way when it is thrown: what a destructor throws and catches
// by itself, because of the first one, must not replace it. Deeper ones are not noted.
constexpr size_t kDepth = 3;
thread_local std::array<Note, kDepth> notes;

// The object as a Base, where its class has one.
template <typename Base>
const Base* As(const std::type_info* type, void* object) {
  return typeid(Base).__do_catch(type, &object, 1) ? static_cast<const Base*>(object) : nullptr;
}

void Copy(const char* text, Note& note) {
  const size_t length = std::min(std::strlen(text), note.text.size() - 1);
  std::memcpy(note.text.data(), text, length);
  note.text[length] = '\0';
  note.has_text = true;
}

void Take(const std::type_info* type, void* object) noexcept {
  if (interested.load(std::memory_order_relaxed) == 0) return;
  const auto depth = static_cast<size_t>(std::uncaught_exceptions());
  if (depth >= kDepth) return;
  Note& note = notes[depth];
  note.type_name = type->name();
  note.has_text = note.no_retry = note.has_retry_delay = false;
  if (const auto* e = As<std::exception>(type, object)) {
    Copy(e->what(), note);
    note.no_retry = As<NonRetryableError>(type, object) != nullptr;
    if (const auto* later = As<RetryAfterError>(type, object)) {
      note.has_retry_delay = true;
      note.retry_delay = later->delay();
    }
  } else if (const auto* text = As<std::string>(type, object)) {
    Copy(text->c_str(), note);
  } else if (*type == typeid(const char*) || *type == typeid(char*)) {
    if (const char* chars = *static_cast<const char**>(object)) Copy(chars, note);
  }
}

void Take(const std::exception_ptr& exception) noexcept {
  if (exception == nullptr) return;
  // It consists of a pointer to the object, which it keeps.
  void* object = nullptr;
  static_assert(sizeof exception == sizeof object);
  std::memcpy(&object, static_cast<const void*>(&exception), sizeof object);
  Take(exception.__cxa_exception_type(), object);
}

// The wrapped function: the next of its name behind this program or library.
void* Next(const char* name) noexcept {
  void* const next = dlsym(RTLD_NEXT, name);
  if (next == nullptr) std::abort();
  return next;
}

}  // namespace

std::optional<Failure> FailureOnItsWay() {
  const int depth = std::uncaught_exceptions() - 1;
  if (depth < 0 || depth >= static_cast<int>(kDepth)) return std::nullopt;
  const Note& note = notes[static_cast<size_t>(depth)];
  if (note.type_name == nullptr) return std::nullopt;
  Failure failure{TypeName(note.type_name), {}};
  if (note.has_text) absl::StrAppend(&failure.message, ": ", note.text.data());
  failure.options.no_retry = note.no_retry;
  if (note.has_retry_delay) failure.options.retry_delay = note.retry_delay;
  return failure;
}

}  // namespace tracker::internal

// The wrappers: __cxa_throw and __cxa_rethrow of the Itanium C++ ABI (2.4.3, 2.5.4), and what
// future::get and the like use. Weak, so that a program which links the runtime statically keeps
// the runtime's own; __cxa_init_primary_exception, which lives beside them, brings them in then.
// By assembler names, since the compiler has declarations of its own.
#define TRACKER_RETHROW_EXCEPTION "_ZSt17rethrow_exceptionNSt15__exception_ptr13exception_ptrE"
#define TRACKER_WRAPPER __attribute__((weak, visibility("default"), noreturn))

namespace tracker::internal {

void RuntimesOwn() asm("__cxa_init_primary_exception");
__attribute__((used)) static void (*const keep_the_runtimes_own)() = &RuntimesOwn;

TRACKER_WRAPPER void Throw(void* object, std::type_info* type,
                           void (*destroy)(void*)) asm("__cxa_throw");
TRACKER_WRAPPER void Rethrow() asm("__cxa_rethrow");
TRACKER_WRAPPER void RethrowException(std::exception_ptr exception) asm(TRACKER_RETHROW_EXCEPTION);

void Throw(void* object, std::type_info* type, void (*destroy)(void*)) {
  static const auto next = reinterpret_cast<decltype(&Throw)>(Next("__cxa_throw"));
  Take(type, object);
  next(object, type, destroy);
  __builtin_unreachable();
}

void Rethrow() {
  static const auto next = reinterpret_cast<decltype(&Rethrow)>(Next("__cxa_rethrow"));
  Take(std::current_exception());
  next();
  __builtin_unreachable();
}

void RethrowException(std::exception_ptr exception) {
  static const auto next =
      reinterpret_cast<decltype(&RethrowException)>(Next(TRACKER_RETHROW_EXCEPTION));
  Take(exception);
  next(std::move(exception));
  __builtin_unreachable();
}

}  // namespace tracker::internal

#else

namespace tracker::internal {

std::optional<Failure> FailureOnItsWay() { return std::nullopt; }

}  // namespace tracker::internal

#endif
