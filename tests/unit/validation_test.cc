#include "src/domain/validation.h"

#include <gtest/gtest.h>

#include "src/base/limits.h"
#include "src/domain/task.h"

namespace tracker::domain {
namespace {

// Good: no complaint. The text of a complaint is for people, and not pinned here.
#define EXPECT_GOOD(check) EXPECT_EQ(check, std::nullopt)
#define EXPECT_BAD(check) EXPECT_NE(check, std::nullopt)

std::string Repeat(absl::string_view text, size_t times) {
  std::string repeated;
  for (size_t i = 0; i < times; ++i) repeated.append(text.data(), text.size());
  return repeated;
}

TEST(ValidationTest, Namespace) {
  EXPECT_GOOD(CheckNamespace("a"));
  EXPECT_GOOD(CheckNamespace("team/job.step_2-X"));
  EXPECT_GOOD(CheckNamespace(std::string(128, 'n')));
  EXPECT_BAD(CheckNamespace(""));
  EXPECT_BAD(CheckNamespace(std::string(129, 'n')));
  for (absl::string_view bad : {"a b", "a%", "a'b", "a\\b", "ä", "a\n", "a:b", "{a}"}) {
    EXPECT_BAD(CheckNamespace(bad)) << bad;
  }
  EXPECT_BAD(CheckNamespace(absl::string_view("a\0b", 3)));
}

TEST(ValidationTest, IdsAndPrefixesAndWorkers) {
  for (auto* check : {CheckId, CheckIdPrefix}) {
    EXPECT_GOOD(check("a"));
    EXPECT_GOOD(check(" "));
    EXPECT_GOOD(check("quotes ' \" braces {} backslash \\ percent % under _"));
    EXPECT_GOOD(check("ünïcödé 𝄞 漢字"));
    EXPECT_GOOD(check(std::string(512, 'i')));
    EXPECT_GOOD(check(Repeat("𝄞", 128)));
    EXPECT_BAD(check(std::string(513, 'i')));
    EXPECT_BAD(check(Repeat("𝄞", 129)));
    EXPECT_BAD(check("line\nbreak"));
    EXPECT_BAD(check("tab\t"));
    EXPECT_BAD(check("\x7F"));
    EXPECT_BAD(check("\xC2\x85"));  // NEL, a C1 control character
    EXPECT_BAD(check(absl::string_view("nul\0", 4)));
    EXPECT_BAD(check("\xFF"));
  }
  EXPECT_BAD(CheckId(""));
  EXPECT_GOOD(CheckIdPrefix(""));
  EXPECT_GOOD(CheckWorker(""));
  EXPECT_GOOD(CheckWorker(std::string(256, 'w')));
  EXPECT_BAD(CheckWorker(std::string(257, 'w')));
  EXPECT_BAD(CheckWorker("w\r"));
}

TEST(ValidationTest, ReportsAreOfAnyLengthButText) {
  EXPECT_GOOD(CheckReport(""));
  EXPECT_GOOD(CheckReport("line\n\ttab\x1b[31m"));
  EXPECT_GOOD(CheckReport(std::string(1'000'000, 't')));
  EXPECT_BAD(CheckReport(absl::string_view("nul\0", 4)));
  EXPECT_BAD(CheckReport("\xC3"));
}

TEST(ValidationTest, Utf8IsThatOfRfc3629) {
  for (absl::string_view good :
       {"", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
        "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(IsUtf8(good)) << good;
  }
  for (absl::string_view bad :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x41", "\xE0\x9F\xBF", "\xE1\x80",
        "\xED\xA0\x80" /* a surrogate */, "\xF0\x8F\xBF\xBF", "\xF0\x90\x80", "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80", "\xFE", "\xFF", "ok\xF0\x9F"}) {
    EXPECT_FALSE(IsUtf8(bad)) << bad;
  }
}

TEST(ValidationTest, Durations) {
  EXPECT_GOOD(CheckLease(absl::Milliseconds(100)));
  EXPECT_GOOD(CheckLease(absl::Hours(24)));
  EXPECT_BAD(CheckLease(absl::Milliseconds(100) - absl::Nanoseconds(1)));
  EXPECT_BAD(CheckLease(absl::Hours(24) + absl::Nanoseconds(1)));
  EXPECT_BAD(CheckLease(absl::ZeroDuration()));
  EXPECT_BAD(CheckLease(-absl::Seconds(1)));
  EXPECT_BAD(CheckLease(absl::InfiniteDuration()));
  EXPECT_BAD(CheckLease(-absl::InfiniteDuration()));

  EXPECT_GOOD(CheckDelay(absl::ZeroDuration()));
  EXPECT_GOOD(CheckDelay(absl::Hours(24 * 30)));
  EXPECT_BAD(CheckDelay(-absl::Nanoseconds(1)));
  EXPECT_BAD(CheckDelay(absl::Hours(24 * 30) + absl::Nanoseconds(1)));
  EXPECT_BAD(CheckDelay(absl::InfiniteDuration()));
}

TEST(ValidationTest, NumbersAndTimes) {
  EXPECT_GOOD(CheckMaxAttempts(0));
  EXPECT_GOOD(CheckMaxAttempts(1000));
  EXPECT_BAD(CheckMaxAttempts(-1));
  EXPECT_BAD(CheckMaxAttempts(1001));

  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  EXPECT_GOOD(CheckAvailableTime(absl::UnixEpoch(), now));
  EXPECT_GOOD(CheckAvailableTime(now + limits::kMaxSchedule, now));
  EXPECT_BAD(CheckAvailableTime(absl::UnixEpoch() - absl::Nanoseconds(1), now));
  EXPECT_BAD(CheckAvailableTime(now + limits::kMaxSchedule + absl::Nanoseconds(1), now));
  EXPECT_BAD(CheckAvailableTime(absl::InfiniteFuture(), now));
  EXPECT_BAD(CheckAvailableTime(absl::InfinitePast(), now));
}

TEST(ValidationTest, ErrorTextIsShortAndHarmless) {
  EXPECT_EQ(ForErrorText("plain 漢"), "plain 漢");
  EXPECT_EQ(ForErrorText("a\nb\xFF"),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
  const std::string cut = ForErrorText(std::string(100'000, '\x01'));
  EXPECT_LE(cut.size(), limits::kErrorTextBytes + 8);
  EXPECT_TRUE(IsUtf8(cut));
}

TEST(TaskTest, NamesAndCodesGoBothWays) {
  for (Status status : kAllStatuses) {
    EXPECT_EQ(StatusFromName(StatusName(status)), status);
    EXPECT_EQ(StatusFromCode(static_cast<int64_t>(status)), status);
  }
  EXPECT_EQ(StatusFromName("Pending"), std::nullopt);
  EXPECT_EQ(StatusFromCode(11), std::nullopt);
  EXPECT_EQ(StatusFromCode(-1), std::nullopt);
  for (ErrorKind kind : {ErrorKind::kFailed, ErrorKind::kLeaseExpired, ErrorKind::kReleased}) {
    EXPECT_EQ(ErrorKindFromName(ErrorKindName(kind)), kind);
  }
  EXPECT_EQ(ErrorKindFromName(""), std::nullopt);
}

}  // namespace
}  // namespace tracker::domain
