// How one tests a worker: the code under test, as it is in production, against a server within the
// test. No trackerd, no sleeping.
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tracker/client.h"
#include "tracker/testing/fake_tracker.h"

namespace {

// GUIDE-BEGIN testing
// The code under test: reads an invoice page by page, and saves how far it is, so that after a
// crash the next attempt goes on from there.
absl::Status ProcessInvoice(tracker::Client& client, const std::string& id,
                            const std::function<absl::Status(int page)>& read_page) {
  return client.Run("invoices", id, [&](tracker::TaskGuard& task) -> absl::Status {
    const int done = nlohmann::json::parse(task.data()).value("page", 0);
    for (int page = done + 1; page <= 3; ++page) {
      if (absl::Status read = read_page(page); !read.ok()) return read;
      absl::Status saved = task.Checkpoint(nlohmann::json{{"page", page}}.dump());
      if (!saved.ok()) return saved;
    }
    return absl::OkStatus();
  });
}

class InvoiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto fake = tracker::testing::FakeTracker::Start();
    ASSERT_TRUE(fake.ok()) << fake.status();
    fake_ = *std::move(fake);
    client_ = fake_->Connect();
    ASSERT_TRUE(client_->Create({.name_space = "invoices", .id = "1", .max_attempts = 2}).ok());
  }
  tracker::Task Invoice() { return client_->Get("invoices", "1").value(); }

  std::unique_ptr<tracker::testing::FakeTracker> fake_;
  std::shared_ptr<tracker::Client> client_;
  std::vector<int> pages_;  // that were read, in all attempts
  const std::function<absl::Status(int)> read_ = [this](int page) {
    pages_.push_back(page);
    return absl::OkStatus();
  };
};

TEST_F(InvoiceTest, EachPageIsReadOnce) {
  EXPECT_TRUE(ProcessInvoice(*client_, "1", read_).ok());
  EXPECT_EQ(pages_, (std::vector{1, 2, 3}));
  EXPECT_EQ(Invoice().status, tracker::TaskStatus::kSucceeded);
}

TEST_F(InvoiceTest, AfterACrashTheNextWorkerGoesOnWithThePageThatWasCut) {
  const auto doomed = fake_->Connect();  // another worker's client
  const auto read_and_crash = [&](int page) {
    pages_.push_back(page);
    if (page == 2) fake_->Kill(*doomed);  // nothing that it does from here on is heard
    return absl::OkStatus();
  };
  EXPECT_FALSE(ProcessInvoice(*doomed, "1", read_and_crash).ok());
  EXPECT_EQ(Invoice().status, tracker::TaskStatus::kInProgress);  // its lease is still running

  EXPECT_EQ(tracker::ReasonOf(ProcessInvoice(*client_, "1", read_)), tracker::Reason::kTaskLocked);
  fake_->Advance(absl::Minutes(15));  // the lease is over
  EXPECT_TRUE(ProcessInvoice(*client_, "1", read_).ok());

  EXPECT_EQ(pages_, (std::vector{1, 2, 2, 3}));
  EXPECT_EQ(Invoice().status, tracker::TaskStatus::kSucceeded);
  EXPECT_EQ(Invoice().errors.at(0).kind, tracker::ErrorKind::kLeaseExpired);
}

TEST_F(InvoiceTest, AnInvoiceThatCannotBeReadIsGivenUp) {
  const auto fail = [](int) { return absl::DataLossError("page 1 is blank"); };
  EXPECT_EQ(ProcessInvoice(*client_, "1", fail).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ProcessInvoice(*client_, "1", fail).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(tracker::ReasonOf(ProcessInvoice(*client_, "1", fail)),
            tracker::Reason::kTaskExhausted);
  EXPECT_EQ(Invoice().status, tracker::TaskStatus::kExhausted);
  EXPECT_EQ(Invoice().errors.at(1).message, "DATA_LOSS: page 1 is blank");
}
// GUIDE-END testing

}  // namespace
