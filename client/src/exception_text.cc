#include "client/src/exception_text.h"

#include <cxxabi.h>

#include <cstdlib>
#include <exception>
#include <memory>
#include <typeinfo>

namespace tracker::internal {
namespace {

std::string CurrentTypeName() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  if (type == nullptr) return "an exception of an unknown type";
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(
      abi::__cxa_demangle(type->name(), nullptr, nullptr, &status), &std::free);
  return status == 0 ? name.get() : type->name();
}

}  // namespace

std::string DescribeCurrentException() {
  const std::string type = CurrentTypeName();
  try {
    throw;
  } catch (const std::exception& e) {
    std::string text = type + ": " + e.what();
    try {
      std::rethrow_if_nested(e);
    } catch (...) {
      text += "; caused by " + DescribeCurrentException();
    }
    return text;
  } catch (const std::string& text) {
    return type + ": " + text;
  } catch (const char* text) {
    return type + ": " + (text ? text : "");
  } catch (...) {
    return type;
  }
}

}  // namespace tracker::internal
