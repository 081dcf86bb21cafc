// The exception that is being handled, in words.
#pragma once

#include <string>

namespace tracker::internal {

// To be called in a catch block. "std::runtime_error: text", with "; caused by ..." for nested
// ones; what is thrown but no std::exception is named by its type.
std::string DescribeCurrentException();

}  // namespace tracker::internal
