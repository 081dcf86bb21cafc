#include "server/listener_watch.h"

#include <gtest/gtest.h>

namespace tracker::server {
namespace {

// Looks in a row; whether the last one, and only that, finds the listener dead.
bool DiesAtTheEnd(ListenerWatch& watch, Look look, int count) {
  for (int i = 1; i < count; ++i) {
    if (watch.IsDead(look)) return false;
  }
  return watch.IsDead(look);
}

TEST(ListenerWatch, SilenceForLongIsDeath) {
  ListenerWatch watch;
  EXPECT_FALSE(watch.IsDead(Look::kAlive));
  EXPECT_TRUE(DiesAtTheEnd(watch, Look::kSilent, ListenerWatch::kSilentLooks));
}

TEST(ListenerWatch, OneSignOfLifeBeginsAnew) {
  ListenerWatch watch;
  watch.IsDead(Look::kAlive);
  for (int round = 0; round < 3; ++round) {
    EXPECT_FALSE(DiesAtTheEnd(watch, Look::kSilent, ListenerWatch::kSilentLooks - 1));
    EXPECT_FALSE(watch.IsDead(Look::kAlive));
  }
  EXPECT_TRUE(DiesAtTheEnd(watch, Look::kSilent, ListenerWatch::kSilentLooks));
}

TEST(ListenerWatch, AnAddressThatWasNeverReachedIsNotDead) {
  ListenerWatch watch;
  EXPECT_FALSE(DiesAtTheEnd(watch, Look::kSilent, 10 * ListenerWatch::kSilentLooks));
}

TEST(ListenerWatch, LooksThatTellNothingNeverKill) {
  ListenerWatch watch;
  watch.IsDead(Look::kAlive);
  EXPECT_FALSE(DiesAtTheEnd(watch, Look::kTellsNothing, 1000));
}

// A process that is stopped again and again: each look is cut off, or told nothing.
TEST(ListenerWatch, SilenceBetweenLooksThatTellNothingIsNotDeath) {
  ListenerWatch watch;
  watch.IsDead(Look::kAlive);
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(watch.IsDead(Look::kSilent));
    EXPECT_FALSE(watch.IsDead(Look::kTellsNothing));
  }
}

TEST(ListenerWatch, ALookThatTellsNothingPutsDeathOffButDoesNotForget) {
  ListenerWatch watch;
  watch.IsDead(Look::kAlive);
  DiesAtTheEnd(watch, Look::kSilent, ListenerWatch::kSilentLooks - 1);
  EXPECT_FALSE(watch.IsDead(Look::kTellsNothing));
  EXPECT_FALSE(watch.IsDead(Look::kSilent));
  EXPECT_TRUE(watch.IsDead(Look::kSilent));
}

}  // namespace
}  // namespace tracker::server
