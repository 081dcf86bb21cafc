// What is thrown, for those who see it only pass: a destructor that runs because of an exception
// cannot ask the language which one it is.
//
// So the throwing functions of the C++ runtime are wrapped (throw_hook.cc), and while anybody is
// interested the exception's type and text are noted as it is thrown. Thread-safe: each thread sees
// its own exceptions. docs/adr/0005 has the reasons. Without the wrappers (another runtime, or
// built with -DTRACKER_THROW_HOOK=OFF) nothing is noted.
#pragma once

#include <optional>

#include "client/src/failure.h"

namespace tracker::internal {

// While one lives, exceptions are noted, on all threads: a little more work for each throw.
class ThrowInterest {
 public:
  ThrowInterest();
  ~ThrowInterest();
  ThrowInterest(const ThrowInterest&) = delete;
  ThrowInterest& operator=(const ThrowInterest&) = delete;
};

// To be called while an exception unwinds the stack of this thread: how the work failed by it. None
// where it was not noted.
std::optional<Failure> FailureOnItsWay();

}  // namespace tracker::internal
