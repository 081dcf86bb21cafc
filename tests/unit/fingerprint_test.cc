#include "src/domain/fingerprint.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/task_builder.h"

namespace tracker::domain {
namespace {

TEST(FoldMessageTest, FoldsAwayWhatDiffersFromTaskToTask) {
  const struct {
    const char* message;
    const char* folded;
  } kCases[] = {
      {"", ""},
      {"plain words stay", "plain words stay"},
      {"row 17 of 2000", "row # of #"},
      {"timeout after 3.5s", "timeout after #.#s"},
      {"file42.txt", "file#.txt"},
      {"no such file: 'a b/c.txt'", "no such file: '…'"},
      {"key \"k1\" and `k2`", "key \"…\" and `…`"},
      {"can't open 'x' and don't ask", "can't open '…' and don't ask"},
      {"'unclosed 7", "'unclosed #"},
      {"at 0x7ffee4c0: bad", "at #: bad"},
      {"0x1f", "#"},
      {"commit deadbeef42", "commit #"},
      {"id 550e8400-e29b-41d4-a716-446655440000", "id #-#-#-#-#"},
      // A word of letters only, or a short one, is a word.
      {"deadbeef added face", "deadbeef added face"},
      {"step a1 of b2", "step a# of b#"},
      {"  much \t white\n\nspace  ", "much white space"},
      {"größe 12 größer", "größe # größer"},
  };
  for (const auto& [message, folded] : kCases) EXPECT_EQ(FoldMessage(message), folded) << message;
}

TEST(FoldMessageTest, LooksAtTheFirstKilobyteOnly) {
  const std::string begin(1024, 'x');
  EXPECT_EQ(FoldMessage(begin + "this"), FoldMessage(begin + "that"));
  EXPECT_NE(FoldMessage(begin.substr(1) + "1"), FoldMessage(begin.substr(1) + "x"));
}

TEST(FingerprintTest, IsThatOfTheFoldedMessage) {
  EXPECT_EQ(FingerprintOf("row 1 of 'a'"), FingerprintOf("row 22  of 'b'"));
  EXPECT_NE(FingerprintOf("row 1"), FingerprintOf("line 1"));
  EXPECT_NE(FingerprintOf(""), 0);
  // It is stored: a change of it needs a migration.
  EXPECT_EQ(FingerprintText(FingerprintOf("row 1 of 'a'")), "06963df4086a463c");
}

TEST(FingerprintTest, OfATaskIsThatOfItsLastProblem) {
  Task task = testing::PendingTask();
  EXPECT_EQ(FingerprintOf(task), 0);
  task.errors.push_back({.kind = ErrorKind::kReleased, .message = "given back"});
  EXPECT_EQ(FingerprintOf(task), 0) << "no problem yet";
  task.errors.push_back({.kind = ErrorKind::kFailed, .message = "first"});
  task.errors.push_back({.kind = ErrorKind::kLeaseExpired, .message = "second"});
  task.errors.push_back({.kind = ErrorKind::kReleased, .message = "given back"});
  EXPECT_EQ(FingerprintOf(task), FingerprintOf("second"));
}

TEST(FingerprintTest, TextGoesThereAndBack) {
  for (const int64_t print : {int64_t{1}, int64_t{-1}, FingerprintOf("x")}) {
    EXPECT_EQ(FingerprintText(print).size(), 16u);
    EXPECT_EQ(ParseFingerprint(FingerprintText(print)), print);
  }
  for (const char* bad : {"", "1", "0000000000000000", "000000000000000g", "00000000000000001",
                          "0x00000000000001", " 00000000000001 "}) {
    EXPECT_FALSE(ParseFingerprint(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace tracker::domain
