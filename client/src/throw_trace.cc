#include "client/src/throw_trace.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>

#include <cstdint>
#include <cstring>
#include <typeinfo>
#include <utility>

#include "absl/debugging/symbolize.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#if defined(__GLIBCXX__)

namespace tracker::internal {

// Nothing of this type is ever thrown. While the runtime looks for a handler, before it unwinds the
// stack, it asks the type of each catch clause on the way whether it fits, through
// std::type_info::__do_catch. This type is asked, remembers the stack, and says no. The key
// function is defined nowhere, so that the compiler leaves the type's type_info to the definition
// below.
class ThrowObserver {
 public:
  virtual ~ThrowObserver();
};

namespace {

thread_local ThrowTrace* watching = nullptr;

class ThrowObserverType : public std::type_info {
 public:
  ThrowObserverType() : std::type_info("N7tracker8internal13ThrowObserverE") {}
  bool __do_catch(const std::type_info*, void**, unsigned) const override {
    if (watching) watching->Remember();
    return false;
  }
};

}  // namespace

// The name that the Itanium C++ ABI gives to typeid(ThrowObserver).
extern const ThrowObserverType throw_observer_type asm("_ZTIN7tracker8internal13ThrowObserverE");
// Before whatever throws while the process starts.
__attribute__((init_priority(101))) const ThrowObserverType throw_observer_type;

void ThrowTrace::Watch(absl::FunctionRef<void()> work) {
  struct Watching {
    ThrowTrace* const before;
    explicit Watching(ThrowTrace* trace) : before(std::exchange(watching, trace)) {}
    ~Watching() { watching = before; }
  } scope(this);
  count_ = 0;
  try {
    work();
  } catch (const ThrowObserver&) {
    // Never.
  }
}

void ThrowTrace::Remember() {
  // The runtime asks again while it unwinds, when what is inside is gone.
  if (count_ == 0) count_ = backtrace(frames_.data(), kFrames);
}

}  // namespace tracker::internal

#else

namespace tracker::internal {

void ThrowTrace::Watch(absl::FunctionRef<void()> work) { work(); }
void ThrowTrace::Remember() {}

}  // namespace tracker::internal

#endif

namespace tracker::internal {
namespace {

struct Frame {
  std::string text;
  bool is_throw = false;
};

Frame Describe(void* address) {
  // The return address may already belong to the next line, or function.
  void* const call = static_cast<char*>(address) - 1;
  Frame frame;
  char name[512];
  if (absl::Symbolize(call, name, sizeof name)) {
    frame.text = name;
    frame.is_throw = std::strstr(name, "__cxa_throw") || std::strstr(name, "__cxa_rethrow");
  }
  Dl_info info{};
  if (dladdr(call, &info) && info.dli_fname) {
    const auto offset =
        reinterpret_cast<uintptr_t>(call) - reinterpret_cast<uintptr_t>(info.dli_fbase);
    // For addr2line.
    absl::StrAppend(&frame.text, frame.text.empty() ? "" : " ", "(", info.dli_fname, "+",
                    absl::StrFormat("%#x", offset), ")");
    if (info.dli_sname && (std::strcmp(info.dli_sname, "__cxa_throw") == 0 ||
                           std::strcmp(info.dli_sname, "__cxa_rethrow") == 0))
      frame.is_throw = true;
  }
  if (frame.text.empty()) frame.text = absl::StrFormat("%p", call);
  return frame;
}

}  // namespace

std::string ThrowTrace::Text() const {
  std::string text;
  // From the outside in: where a long text has to be cut, its end is what is kept.
  for (int i = count_ - 1; i >= 0; --i) {
    const Frame frame = Describe(frames_[static_cast<size_t>(i)]);
    // What is further in belongs to the runtime.
    if (frame.is_throw) break;
    absl::StrAppend(&text, frame.text, "\n");
  }
  return text;
}

}  // namespace tracker::internal
