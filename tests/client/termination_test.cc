// SIGTERM and SIGINT, sent to this process.
#include "tracker/termination.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <future>

namespace tracker::testing {
namespace {

TEST(OnTermination, CallsOnceOnAThreadOfItsOwn) {
  for (const int signal : {SIGTERM, SIGINT}) {
    std::promise<std::thread::id> called;
    OnTermination termination([&] { called.set_value(std::this_thread::get_id()); });
    ASSERT_EQ(raise(signal), 0);
    EXPECT_NE(called.get_future().get(), std::this_thread::get_id());
  }
}

TEST(OnTermination, AllThatLiveAreCalled) {
  std::promise<void> first, second;
  OnTermination a([&] { first.set_value(); });
  OnTermination b([&] { second.set_value(); });
  {
    OnTermination gone([] { FAIL() << "it is gone"; });
  }
  ASSERT_EQ(raise(SIGTERM), 0);
  first.get_future().get();
  second.get_future().get();
}

std::atomic<int> own_handler = 0;

TEST(OnTermination, LeavesTheSignalsAsTheyWere) {
  own_handler = 0;
  struct sigaction own = {};
  own.sa_handler = [](int) { ++own_handler; };
  struct sigaction before = {};
  ASSERT_EQ(sigaction(SIGTERM, &own, &before), 0);
  {
    OnTermination termination([] { FAIL() << "nothing was sent while it lived"; });
  }
  ASSERT_EQ(raise(SIGTERM), 0);
  EXPECT_EQ(own_handler, 1);
  sigaction(SIGTERM, &before, nullptr);
}

using OnTerminationDeathTest = ::testing::Test;

TEST(OnTerminationDeathTest, SecondSignalEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        OnTermination termination([] {});
        raise(SIGTERM);
        raise(SIGTERM);
      },
      ::testing::KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace tracker::testing
