#include "server/store_log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace tracker::server {
namespace {

class StoreLogTest : public ::testing::Test {
 protected:
  void Say(const char* name, const std::string& code, const std::string& text) {
    log_.On({.name = name, .code = code, .text = text});
  }

  absl::Time now_ = absl::FromUnixSeconds(1'000'000);
  std::vector<std::string> lines_;
  StoreLog log_{
      [this](const store::StoreEvent& event, int64_t left_out) {
        lines_.push_back(absl::StrCat(event.name, " ", event.code, " ", event.text, " ", left_out));
      },
      [this] { return now_; }};
};

TEST_F(StoreLogTest, WritesOneOfAKindAndThenHowManyItLeftOut) {
  for (int i = 0; i < 100; ++i) Say("database_error", "55P03", absl::StrCat("text", i));
  Say("database_error", "42P01", "another kind");
  Say("other_event", "55P03", "another event");
  now_ += kStoreLogInterval;
  Say("database_error", "55P03", "later");
  EXPECT_EQ(lines_, (std::vector<std::string>{
                        "database_error 55P03 text0 0", "database_error 42P01 another kind 0",
                        "other_event 55P03 another event 0", "database_error 55P03 later 99"}));
}

TEST_F(StoreLogTest, AClockThatIsPutBackSilencesNothing) {
  Say("database_error", "", "first");
  now_ -= absl::Hours(5);
  Say("database_error", "", "second");
  EXPECT_EQ(lines_.size(), 2u);
}

}  // namespace
}  // namespace tracker::server
