// The fields of a request that are wrong, with their paths. Not thread-safe; lives for one request.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "src/domain/validation.h"

namespace tracker::server {

struct FieldError {
  // "lease", or within a Batch "operations[3].start.lease".
  std::string field;
  // Continues a sentence that begins with the field: "is required".
  std::string description;
};

class FieldErrors {
 public:
  // `prefix` is the path of the message whose fields are checked; empty for the request itself.
  explicit FieldErrors(std::string prefix = "") : prefix_(std::move(prefix)) {}

  void Add(absl::string_view field, std::string description) {
    errors_.push_back({Path(field), std::move(description)});
  }
  // Adds what a check complains of, if it does.
  void Check(absl::string_view field, domain::Complaint complaint) {
    if (complaint) Add(field, *std::move(complaint));
  }

  // Adds those that were found within a message.
  void Add(const FieldErrors& inner) {
    errors_.insert(errors_.end(), inner.errors_.begin(), inner.errors_.end());
  }

  bool empty() const { return errors_.empty(); }
  const std::vector<FieldError>& list() const { return errors_; }

 private:
  std::string Path(absl::string_view field) const {
    return prefix_.empty() ? std::string(field) : absl::StrCat(prefix_, ".", field);
  }

  std::string prefix_;
  std::vector<FieldError> errors_;
};

}  // namespace tracker::server
