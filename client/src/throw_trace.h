// Where an exception was thrown. A catch clause comes too late for that: the stack is gone by then.
#pragma once

#include <array>
#include <string>

#include "absl/functional/function_ref.h"

namespace tracker::internal {

// Not thread-safe; watches the calling thread. Costs nothing while nothing is thrown. Where the
// compiler's runtime gives no access to the stack (other than libstdc++), the text is empty.
class ThrowTrace {
 public:
  // Calls `work`. What it throws is thrown on, as it was.
  void Watch(absl::FunctionRef<void()> work);

  // The stack at the throw of the exception that left Watch, a line for each frame, innermost last;
  // empty where there was none.
  std::string Text() const;

  // For the exception handling runtime.
  void Remember();

 private:
  static constexpr int kFrames = 64;
  std::array<void*, kFrames> frames_;
  int count_ = 0;
};

}  // namespace tracker::internal
