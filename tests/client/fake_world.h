// A FakeTracker and a client of it: what its tests share.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "tracker/testing/fake_tracker.h"

namespace tracker::testing {

class FakeWorld : public ::testing::Test {
 protected:
  static constexpr absl::Duration kLease = absl::Seconds(30);

  void SetUp() override {
    auto fake = FakeTracker::Start();
    ASSERT_TRUE(fake.ok()) << fake.status();
    fake_ = *std::move(fake);
    client_ = fake_->Connect({.lease = kLease});
  }
  static absl::StatusOr<TaskGuard> Start(Client& client) {
    return client.Start("jobs", "a", {.create_if_missing = true});
  }
  Task Get() { return client_->Get("jobs", "a").value(); }

  std::unique_ptr<FakeTracker> fake_;
  std::shared_ptr<Client> client_;
};

}  // namespace tracker::testing
