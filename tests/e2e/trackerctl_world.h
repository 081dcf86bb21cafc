// A trackerd, and trackerctl run against it: what its tests share.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "tests/e2e/world.h"

namespace tracker::e2e {

class TrackerctlWorld : public StoreTest {
 protected:
  enum ExitCode { kDone = 0, kRefused = 1, kUsage = 2, kUnavailable = 3 };

  void Serve(const std::vector<std::string>& flags = {}) {
    address_ = world_.Serve(world_.NewStore(GetParam()), flags).address();
  }

  Ended Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {ProgramPath("trackerctl"), "--server", address_});
    return world_.Run(arguments);
  }

  // With --json: the lines that it prints.
  std::vector<nlohmann::json> Lines(std::vector<std::string> arguments) {
    arguments.push_back("--json");
    const Ended ended = Run(arguments);
    EXPECT_EQ(ended.exit_code, kDone) << ended.err;
    std::vector<nlohmann::json> lines;
    for (absl::string_view line : absl::StrSplit(ended.out, '\n', absl::SkipEmpty())) {
      lines.push_back(nlohmann::json::parse(line.begin(), line.end(), nullptr, false));
      EXPECT_TRUE(lines.back().is_object()) << line;
    }
    return lines;
  }
  nlohmann::json Line(std::vector<std::string> arguments) {
    const std::vector<nlohmann::json> lines = Lines(std::move(arguments));
    EXPECT_EQ(lines.size(), 1u);
    return lines.empty() ? nlohmann::json() : lines[0];
  }

  std::string address_;
};

}  // namespace tracker::e2e
