// The store's disk is full for a while: what cannot be written is not acknowledged, and once there
// is room all goes on.
#include <gtest/gtest.h>

#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/e2e/load.h"
#include "tests/e2e/world.h"
#include "tests/support/small_disk.h"

namespace tracker::e2e {
namespace {

constexpr int64_t kSqliteBytes = 64 << 20;
// A fresh cluster has some 40 MB, and a segment of its log 16.
constexpr int64_t kPostgresBytes = 256 << 20;
// Its files grow a page at a time: there is no room left soon, but perhaps not at once.
constexpr absl::Duration kPatience = absl::Seconds(60);

class FullDisk : public ::testing::Test {
 protected:
  // Whether there is one.
  bool Mount(int64_t bytes) {
    auto disk = testing::SmallDisk::Mount(bytes);
    if (absl::IsPermissionDenied(disk.status())) {
      std::cout << disk.status().message() << std::endl;
      return false;
    }
    if (!disk.ok()) throw std::runtime_error(disk.status().ToString());
    disk_ = *std::move(disk);
    return true;
  }

  static void AwaitMore(const Load& load, int64_t answers) {
    const int64_t before = load.acknowledged();
    EXPECT_TRUE(Await([&] { return load.acknowledged() >= before + answers; }, kPatience));
  }

  // Under load; `revive` brings the database back where it has ended by itself.
  template <typename Revive>
  void FillAndFree(const std::string& url, const Revive& revive) {
    testing::TrackerdProcess& server = world_.Serve(url);
    Api api(server.address());
    Load load(server.address(), {});
    for (int round = 0; round < 2; ++round) {
      SCOPED_TRACE(round);
      AwaitMore(load, 300);
      const int64_t before = load.unavailable();
      ASSERT_TRUE(disk_->Fill().ok());
      EXPECT_TRUE(Await([&] { return load.unavailable() > before + 20; }, kPatience))
          << "nobody hears of the full disk";
      ASSERT_TRUE(disk_->Free().ok());
      revive();
      AwaitMore(load, 300);
    }
    load.Stop();
    EXPECT_TRUE(server.running());
    EXPECT_EQ(load.surprises(), (std::map<std::string, int>{}));
    EXPECT_EQ(load.disconnects(), (std::map<std::string, int>{}));
    EXPECT_TRUE(Await([&] { return api.Serving(); }));
    ExpectLedgerHolds(api, load.ledger());
  }

  std::unique_ptr<testing::SmallDisk> disk_;
  World world_;
};

TEST_F(FullDisk, OfASqliteFileRefusesWritesForAsLongAsItIsFull) {
  if (!Mount(kSqliteBytes)) GTEST_SKIP();
  FillAndFree(absl::StrCat("sqlite:", disk_->path(), "/tracker.db"), [] {});
}

TEST_F(FullDisk, OfAPostgresRefusesWritesForAsLongAsItIsFull) {
  if (!Mount(kPostgresBytes)) GTEST_SKIP();
  auto postgres = testing::PostgresCluster::Start(
      {.parent_folder = disk_->path(),
       .settings = {"max_wal_size=64MB", "min_wal_size=32MB", "restart_after_crash=off"}});
  ASSERT_TRUE(postgres.ok()) << postgres.status();
  ASSERT_TRUE((*postgres)->CreateDatabase("db").ok());
  FillAndFree((*postgres)->Url("db"), [&] {
    // It PANICs where there is no room for its log.
    if (!(*postgres)->AwaitEnd(absl::Seconds(1))) return;
    std::cout << "PostgreSQL had ended by itself" << std::endl;
    const absl::Status again = (*postgres)->StartAgain();
    ASSERT_TRUE(again.ok()) << again;
  });
}

}  // namespace
}  // namespace tracker::e2e
