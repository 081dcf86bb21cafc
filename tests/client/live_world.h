// A real trackerd on SQLite, and a client of it: what the live tests share.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/support/trackerd_process.h"
#include "tracker/client.h"

namespace tracker::testing {

class Live : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  absl::StatusOr<TaskGuard> Start(const std::string& id, absl::Duration lease);
  static void Sleep(absl::Duration duration);

  std::string folder_;
  std::unique_ptr<TrackerdProcess> server_;
  std::shared_ptr<Client> client_;
};

}  // namespace tracker::testing
