// A PostgreSQL array in its text form, one element at a time: '{"a","b\"c",NULL}'. libpqxx 6 binds
// no arrays. Source of the format: PostgreSQL manual, section 8.15.6, "Array Input and Output
// Syntax".
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

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

// "{0,1,...}": for statements that only read, and may look into all buckets.
inline std::string AllBuckets(int buckets) {
  ArrayLiteral array;
  for (int bucket = 0; bucket < buckets; ++bucket) array.Add(bucket);
  return array.Take();
}

// The values of a statement whose first parameter is the bucket and whose others are arrays. Leaves
// the arrays empty.
inline std::vector<std::string> BucketAndArrays(int bucket, absl::Span<ArrayLiteral> arrays) {
  std::vector<std::string> values = {absl::StrCat(bucket)};
  for (ArrayLiteral& array : arrays) values.push_back(array.Take());
  return values;
}

}  // namespace tracker::store::postgres
