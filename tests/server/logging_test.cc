#include "server/logging.h"

#include <gtest/gtest.h>

namespace tracker::server {
namespace {

constexpr char kTime[] = "2026-01-02T03:04:05.678Z";

TEST(FormatLogLine, IsOneLineOfTextForPeople) {
  EXPECT_EQ(FormatLogLine(LogFormat::kText, kTime, LogLevel::kInfo, "listening",
                          {{"address", "127.0.0.1:7070"}, {"lanes", int64_t{2}}, {"ok", true}}),
            "2026-01-02T03:04:05.678Z info listening address=127.0.0.1:7070 lanes=2 ok=true");
  EXPECT_EQ(FormatLogLine(LogFormat::kText, kTime, LogLevel::kError, "e",
                          {{"a", "two words"}, {"b", "line\nbreak \"q\""}, {"c", ""}}),
            R"(2026-01-02T03:04:05.678Z error e a="two words" b="line\nbreak \"q\"" c="")");
}

TEST(FormatLogLine, IsOneJsonObjectForCollectors) {
  EXPECT_EQ(
      FormatLogLine(LogFormat::kJson, kTime, LogLevel::kWarn, "e",
                    {{"text", "a\"\n\x01"}, {"n", int64_t{-1}}, {"bad", "\xFF"}}),
      R"({"time":"2026-01-02T03:04:05.678Z","level":"warn","event":"e","text":"a\"\n\u0001","n":-1,"bad":"�"})");
}

}  // namespace
}  // namespace tracker::server
