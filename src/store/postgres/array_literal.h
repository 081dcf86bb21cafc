// A PostgreSQL array in its text form, one element at a time: '{"a","b\"c",NULL}'. libpqxx 6 binds
// no arrays. Source of the format: PostgreSQL manual, section 8.15.6, "Array Input and Output
// Syntax".
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace tracker::store::postgres {

class ArrayLiteral {
 public:
  void Add(int64_t value) {
    Next();
    absl::StrAppend(&text_, value);
  }
  void AddBool(bool value) {
    Next();
    text_ += value ? 't' : 'f';
  }
  void AddNull() {
    Next();
    text_ += "NULL";
  }
  // Quoted, so that any text without a NUL byte is itself: also one that reads NULL, or is empty.
  void AddText(absl::string_view value) {
    Next();
    text_ += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\') text_ += '\\';
      text_ += c;
    }
    text_ += '"';
  }

  // Leaves the array empty.
  std::string Take() {
    std::string done = std::move(text_) + '}';
    text_ = "{";
    first_ = true;
    return done;
  }

 private:
  void Next() {
    if (!first_) text_ += ',';
    first_ = false;
  }

  std::string text_ = "{";
  bool first_ = true;
};

}  // namespace tracker::store::postgres
