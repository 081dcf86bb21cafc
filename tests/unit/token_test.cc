#include "src/base/token.h"

#include <gtest/gtest.h>

#include <set>

#include "src/base/limits.h"

namespace tracker {
namespace {

TEST(TokenTest, NewTokensAreCanonicalAndDiffer) {
  std::set<std::string> tokens;
  for (int i = 0; i < 1000; ++i) {
    const std::string token = NewLockToken();
    EXPECT_EQ(token.size(), limits::kLockDigits);
    EXPECT_EQ(ParseLockToken(token), token);
    EXPECT_TRUE(tokens.insert(token).second);
  }
}

TEST(TokenTest, TakesHexadecimalDigitsAndUuidsInAnyCase) {
  const std::string canonical = "0123456789abcdef0123456789abcdef";
  EXPECT_EQ(ParseLockToken("0123456789abcdef0123456789abcdef"), canonical);
  EXPECT_EQ(ParseLockToken("0123456789ABCDEF0123456789abcdef"), canonical);
  EXPECT_EQ(ParseLockToken("01234567-89AB-cdef-0123-456789abcdef"), canonical);
}

TEST(TokenTest, RefusesEverythingElse) {
  for (absl::string_view bad : {
           "",
           "0",
           "0123456789abcdef0123456789abcde",
           "0123456789abcdef0123456789abcdef0",
           "0123456789abcdef0123456789abcdeg",
           "0123456789abcdef0123456789abcde ",
           "0123456789abcdef-0123456789abcde",
           "01234567-89ab-cdef-0123-456789abcde",
           "0123456-789ab-cdef-0123-456789abcdef",
           "01234567-89ab-cdef-0123-456789abcde-",
           "{0123456789abcdef0123456789abcdef}",
           "{01234567-89ab-cdef-0123-45678abcd}",
       }) {
    EXPECT_EQ(ParseLockToken(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(ParseLockToken(absl::string_view("0123456789abcdef0123456789abcde\0", 32)),
            std::nullopt);
}

}  // namespace
}  // namespace tracker
