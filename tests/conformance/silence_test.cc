// PostgreSQL only: a server that says nothing any more is left, and one that takes long is not.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "src/store/postgres/connection.h"
#include "src/store/postgres/silence_watch.h"
#include "tests/conformance/store_test.h"
#include "tests/support/fault_proxy.h"

namespace tracker::store::postgres {
namespace {

class SilentServerTest : public ::testing::Test {
 protected:
  SilentServerTest() : proxy_(Value(testing::FaultProxy::Start(SharedPostgres().port()))) {
    settings_ = Value(
        ParseConnectionSettings(absl::StrCat("postgresql://postgres@127.0.0.1:", proxy_->port(),
                                             "/postgres?sslmode=disable&gssencmode=disable")));
    settings_.silence_watch =
        std::make_shared<SilenceWatch>([this](const StoreEvent& event) { event_ = event.name; });
  }

  // What the watch has told by its end, which comes with that of its last user. It tells what it
  // has cut off after it was done, so that the statement's thread goes on before.
  std::string EventAfter(std::unique_ptr<Connection> connection) {
    connection.reset();
    EXPECT_EQ(settings_.silence_watch.use_count(), 1);
    settings_.silence_watch.reset();
    return event_;
  }

  std::unique_ptr<testing::FaultProxy> proxy_;
  std::string event_;
  ConnectionSettings settings_;
};

TEST_F(SilentServerTest, IsLeftAfterSeconds) {
  std::unique_ptr<Connection> connection = Value(Connection::Open(settings_));
  EXPECT_OK(connection->ExecuteText("SELECT 1"));
  proxy_->HalfOpen(true);
  const absl::Time begin = absl::Now();
  EXPECT_TRUE(absl::IsUnavailable(connection->ExecuteText("SELECT 1").status()));
  EXPECT_GE(absl::Now() - begin, kSuspiciousSilence + kProbePatience);
  EXPECT_LT(absl::Now() - begin, kSuspiciousSilence + kProbePatience + absl::Seconds(5));
  EXPECT_FALSE(connection->usable());
  EXPECT_EQ(EventAfter(std::move(connection)), "database_silent");
}

TEST_F(SilentServerTest, InACommitIsInDoubt) {
  const std::unique_ptr<Connection> connection = Value(Connection::Open(settings_));
  EXPECT_OK(connection->Begin());
  EXPECT_OK(connection->ExecuteText("SELECT pg_current_xact_id()"));
  proxy_->HalfOpen(true);
  EXPECT_TRUE(absl::IsUnknown(connection->Commit()));
}

TEST_F(SilentServerTest, IsNoneThatTakesLong) {
  std::unique_ptr<Connection> connection = Value(Connection::Open(settings_));
  EXPECT_OK(connection->ExecuteText("SELECT pg_sleep(13)"));
  EXPECT_OK(connection->ExecuteText("SELECT 1"));
  // It was asked, and has answered.
  EXPECT_GE(proxy_->counts().accepted, 2);
  EXPECT_EQ(EventAfter(std::move(connection)), "");
}

}  // namespace
}  // namespace tracker::store::postgres
