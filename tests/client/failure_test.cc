// What a report says of an exception that leaves the work: its type, its text, and what it carries.
#include "client/src/failure.h"

#include <gtest/gtest.h>
#include <unwind.h>

#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include "absl/status/status.h"
#include "tests/client/scripted_transport.h"
#include "tracker/errors.h"

namespace tracker::testing {

// Outside the unnamed namespace, so that its name is short.
struct Custom : std::runtime_error {
  using std::runtime_error::runtime_error;
};

namespace {

using internal::Failure;

Failure FailureBy(const std::function<void()>& work) {
  try {
    work();
  } catch (...) {
    return internal::FailureOfCurrentException();
  }
  return {"nothing was thrown", {}};
}

// Throws `outer` with what `inner` throws nested in it.
template <typename Exception>
void Nest(const std::function<void()>& inner, Exception outer) {
  try {
    inner();
  } catch (...) {
    std::throw_with_nested(std::move(outer));
  }
}

struct Traced : std::runtime_error, CarriesTraceback {
  Traced(const std::string& text, std::string traceback)
      : std::runtime_error(text), stack(std::move(traceback)) {}
  std::string traceback() const override { return stack; }
  std::string stack;
};

TEST(Failure, TellsTypeAndText) {
  EXPECT_EQ(FailureBy([] { throw std::runtime_error("boom"); }).message,
            "std::runtime_error: boom");
  const Failure custom = FailureBy([] { throw Custom("no such page"); });
  EXPECT_EQ(custom.message, "tracker::testing::Custom: no such page");
  EXPECT_EQ(custom.options.traceback, "");
}

TEST(Failure, WhatIsNoStandardExceptionIsNamedByItsTypeAndWhereItCanByItsText) {
  EXPECT_EQ(FailureBy([] { throw 7; }).message, "int");
  EXPECT_EQ(FailureBy([] { throw "just text"; }).message, "char const*: just text");
  EXPECT_EQ(FailureBy([] { throw static_cast<const char*>(nullptr); }).message, "char const*: ");
  EXPECT_TRUE(FailureBy([] { throw std::string("text"); }).message.ends_with(": text"));
  struct Unknown {};
  EXPECT_TRUE(FailureBy([] { throw Unknown(); }).message.ends_with("::Unknown"));
}

TEST(Failure, ThrownStatusSaysWhatAReturnedOneWould) {
  const Failure failure = FailureBy(
      [] { throw RetryAfter(absl::Minutes(2), NonRetryable(absl::DataLossError("page 3"))); });
  EXPECT_TRUE(failure.message.ends_with("::Status: DATA_LOSS: page 3")) << failure.message;
  EXPECT_TRUE(failure.options.no_retry);
  EXPECT_EQ(failure.options.retry_delay, absl::Minutes(2));
}

TEST(Failure, SystemErrorTellsItsCode) {
  const std::string message =
      FailureBy([] {
        throw std::system_error(std::make_error_code(std::errc::no_space_on_device), "page 3");
      }).message;
  EXPECT_TRUE(message.starts_with("std::system_error: page 3: ")) << message;
  EXPECT_TRUE(message.ends_with(" (generic:28)")) << message;
}

TEST(Failure, NestedExceptionsAreAChainInMessageAndTraceback) {
  const Failure failure = FailureBy(
      [] { Nest([] { Nest([] { throw 7; }, std::out_of_range("inner")); }, Custom("outer")); });
  EXPECT_EQ(failure.message,
            "tracker::testing::Custom: outer; caused by std::out_of_range: inner; caused by int");
  EXPECT_EQ(failure.options.traceback,
            "tracker::testing::Custom: outer\n"
            "caused by std::out_of_range: inner\n"
            "caused by int\n");
}

TEST(Failure, NestingWorksForWhatIsNoStandardException) {
  struct Odd {};
  const Failure failure = FailureBy([] { Nest([] { throw std::out_of_range("inner"); }, Odd()); });
  EXPECT_TRUE(failure.message.ends_with("::Odd; caused by std::out_of_range: inner"))
      << failure.message;
}

TEST(Failure, NestedInNothingIsNoReasonToEndTheProcess) {
  const Failure failure =
      FailureBy([] { std::throw_with_nested(std::runtime_error("thrown in no catch block")); });
  EXPECT_EQ(failure.message, "std::runtime_error: thrown in no catch block");
  EXPECT_EQ(failure.options.traceback, "");
}

TEST(Failure, LongChainIsCut) {
  std::function<void()> chain = [] { throw std::runtime_error("innermost"); };
  for (int i = 0; i < 1000; ++i) {
    chain = [inner = std::move(chain), i] { Nest(inner, std::runtime_error(std::to_string(i))); };
  }
  const Failure failure = FailureBy(chain);
  EXPECT_TRUE(failure.message.starts_with("std::runtime_error: 999; caused by "));
  EXPECT_TRUE(failure.message.ends_with("std::runtime_error: 984; caused by more"))
      << failure.message;
  EXPECT_TRUE(failure.options.traceback.ends_with("std::runtime_error: 984\ncaused by more\n"))
      << failure.options.traceback;
}

TEST(Failure, TracebackIsWhatTheExceptionCarries) {
  const Failure failure = FailureBy([] { throw Traced("boom", "main\nCharge\n"); });
  EXPECT_TRUE(failure.message.ends_with("::Traced: boom"));
  EXPECT_EQ(failure.options.traceback, "main\nCharge\n");
}

TEST(Failure, TracebacksOfNestedOnesStandBelowTheirTexts) {
  const Failure failure =
      FailureBy([] { Nest([] { throw Traced("inner", "main\nCharge"); }, Custom("outer")); });
  EXPECT_TRUE(failure.options.traceback.starts_with("tracker::testing::Custom: outer\ncaused by "));
  EXPECT_TRUE(failure.options.traceback.ends_with("::Traced: inner\nmain\nCharge\n"))
      << failure.options.traceback;
}

TEST(Failure, TracebackThatThrowsCostsNoText) {
  struct Broken : std::runtime_error, CarriesTraceback {
    using std::runtime_error::runtime_error;
    std::string traceback() const override { throw std::logic_error("no symbols"); }
  };
  const Failure failure = FailureBy([] { throw Broken("boom"); });
  EXPECT_TRUE(failure.message.ends_with("::Broken: boom")) << failure.message;
  EXPECT_EQ(failure.options.traceback, "");
}

TEST(Failure, SaysWhetherAndWhenToRetryAlsoWhereThatIsNested) {
  EXPECT_TRUE(FailureBy([] {
                Nest([] { throw NonRetryableError("inner"); }, Custom("outer"));
              }).options.no_retry);
  const Failure twice = FailureBy([] {
    Nest([] { throw RetryAfterError(absl::Hours(1), "inner"); },
         RetryAfterError(absl::Seconds(1), "outer"));
  });
  EXPECT_EQ(twice.options.retry_delay, absl::Seconds(1)) << "the outermost";
  EXPECT_FALSE(twice.options.no_retry);
}

TEST(Failure, ExceptionOfAnotherLanguageIsReportedAndPassesOn) {
  std::string message;
  bool passed_on = false;
  // A thread of its own: libstdc++ counts such an exception as on its way for ever.
  std::thread([&] {
    _Unwind_Exception foreign{};
    foreign.exception_class = 0x464f524549474e00;
    foreign.exception_cleanup = [](_Unwind_Reason_Code, _Unwind_Exception*) {};
    Harness h;
    try {
      h.client->Run("jobs", "a", [&](TaskGuard&) { _Unwind_RaiseException(&foreign); })
          .IgnoreError();
    } catch (...) {
      passed_on = true;
    }
    message = h.last().fail().message();
  }).join();
  EXPECT_TRUE(passed_on);
  EXPECT_EQ(message, "an exception that is not of C++");
}

TEST(Failure, RunReportsMessageAndTraceback) {
  Harness h;
  EXPECT_THROW(h.client
                   ->Run("jobs", "a",
                         [](TaskGuard&) {
                           Nest([] { throw Traced("inner", "main\nCharge\n"); }, Custom("outer"));
                         })
                   .IgnoreError(),
               Custom);
  EXPECT_EQ(h.last().fail().message().find("tracker::testing::Custom: outer; caused by "), 0u);
  EXPECT_TRUE(h.last().fail().traceback().ends_with("inner\nmain\nCharge\n"));
}

}  // namespace
}  // namespace tracker::testing
