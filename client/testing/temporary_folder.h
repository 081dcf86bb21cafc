// A new folder among the temporary files; removed with all that is in it. Thread-safe.
#pragma once

#include <filesystem>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"

namespace tracker::testing {

class TemporaryFolder {
 public:
  // FailedPrecondition: says which folder cannot be had, and why.
  static absl::StatusOr<std::unique_ptr<TemporaryFolder>> Make();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::filesystem::path path() const { return path_; }

 private:
  explicit TemporaryFolder(std::filesystem::path path) : path_(std::move(path)) {}

  const std::filesystem::path path_;
};

}  // namespace tracker::testing
