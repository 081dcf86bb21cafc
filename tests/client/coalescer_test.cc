// Concurrent writes that travel together, over a server that answers on command.
#include "client/src/coalescer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "tests/client/scripted_transport.h"

namespace tracker::testing {
namespace {

using internal::CallOptions;
using internal::Coalescer;
using Result = absl::StatusOr<v1::Task>;

v1::Operation Start(const std::string& id, size_t bytes = 0) {
  v1::Operation operation;
  operation.mutable_start()->set_id(id);
  operation.mutable_start()->set_worker(std::string(bytes, 'x'));
  return operation;
}

// Holds every request until it is told what to answer.
class HeldTransport : public internal::Transport {
 public:
  struct Held {
    v1::BatchRequest request;
    CallOptions options;
    BatchCallback done;
  };

  Result Write(const v1::Operation& operation, const CallOptions& options) override {
    std::unique_lock lock(mutex_);
    alone_.push_back(operation.start().id());
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_ || options.cancelled.stop_requested(); });
    return Named(operation);
  }
  void Batch(v1::BatchRequest request, const CallOptions& options, BatchCallback done) override {
    std::lock_guard lock(mutex_);
    held_.push_back({request, options, std::move(done)});
    changed_.notify_all();
  }
  Result Get(const v1::GetRequest&, const CallOptions&) override { return v1::Task(); }
  absl::StatusOr<v1::ListResponse> List(const v1::ListRequest&, const CallOptions&) override {
    return v1::ListResponse();
  }
  absl::StatusOr<v1::CountResponse> Count(const v1::CountRequest&, const CallOptions&) override {
    return v1::CountResponse();
  }
  absl::StatusOr<v1::ClaimResponse> Claim(const v1::ClaimRequest&, const CallOptions&) override {
    return v1::ClaimResponse();
  }

  // Answers the single writes, those to come too.
  void Open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void AwaitAlone(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return alone_.size() >= count; });
  }
  Held Take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !held_.empty(); });
    Held held = std::move(held_.front());
    held_.pop_front();
    return held;
  }
  size_t held() {
    std::lock_guard lock(mutex_);
    return held_.size();
  }
  std::vector<std::string> alone() {
    std::lock_guard lock(mutex_);
    return alone_;
  }

  static v1::Task Named(const v1::Operation& operation) {
    v1::Task task;
    task.set_id(operation.start().id());
    return task;
  }
  // Each operation's own task.
  static v1::BatchResponse Answer(const v1::BatchRequest& request) {
    v1::BatchResponse response;
    for (const v1::Operation& operation : request.operations())
      *response.add_results()->mutable_task() = Named(operation);
    return response;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  std::vector<std::string> alone_;
  std::deque<Held> held_;
};

class CoalescerTest : public ::testing::Test {
 protected:
  // As many requests on their way as make others wait.
  void Occupy() {
    for (int i = 0; i < Coalescer::kRequestsOnTheirWay; ++i) {
      first_.push_back(Ask(Start("alone" + std::to_string(i))));
      transport_->AwaitAlone(static_cast<size_t>(i) + 1);
    }
  }
  std::future<Result> Ask(v1::Operation operation, absl::Duration timeout = absl::Seconds(10),
                          std::stop_token cancelled = {}) {
    return std::async(std::launch::async, [this, operation = std::move(operation), timeout,
                                           cancelled = std::move(cancelled)] {
      return coalescer_->Write(operation, {timeout, cancelled});
    });
  }
  // Asked one after another, so that the order is known.
  std::future<Result> Queue(v1::Operation operation, absl::Duration timeout = absl::Seconds(10),
                            std::stop_token cancelled = {}) {
    const size_t before = coalescer_->queued();
    auto asked = Ask(std::move(operation), timeout, std::move(cancelled));
    while (coalescer_->queued() == before) std::this_thread::yield();
    return asked;
  }
  static bool Waits(std::future<Result>& asked) {
    return asked.wait_for(std::chrono::milliseconds(5)) == std::future_status::timeout;
  }
  void TearDown() override { transport_->Open(); }

  FakeClock clock_;
  std::shared_ptr<HeldTransport> transport_ = std::make_shared<HeldTransport>();
  std::shared_ptr<Coalescer> coalescer_ = std::make_shared<Coalescer>(transport_, &clock_);
  std::vector<std::future<Result>> first_;
};

TEST_F(CoalescerTest, WriteThatFindsNothingOnItsWayGoesAlone) {
  transport_->Open();
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(coalescer_->Write(Start("a"), {absl::Seconds(1), {}})->id(), "a");
  EXPECT_EQ(transport_->alone().size(), 5u);
  EXPECT_EQ(transport_->held(), 0u);
}

TEST_F(CoalescerTest, WhatQueuedTravelsTogetherAndEachHasItsOwnOutcome) {
  Occupy();
  v1::Operation last = Start("c");
  last.mutable_start()->add_after("extract");
  auto a = Queue(Start("a")), b = Queue(Start("b")), c = Queue(last);
  EXPECT_EQ(transport_->held(), 0u) << "they wait for the first";
  transport_->Open();
  HeldTransport::Held batch = transport_->Take();
  ASSERT_EQ(batch.request.operations_size(), 3);
  EXPECT_EQ(batch.request.operations(0).start().id(), "a");
  EXPECT_EQ(batch.request.operations(2).start().id(), "c");
  EXPECT_EQ(batch.request.operations(2).start().after(0), "extract");
  v1::BatchResponse answer = HeldTransport::Answer(batch.request);
  auto* error = answer.mutable_results(1)->mutable_error();
  const auto refusal =
      Refusal(absl::StatusCode::kAborted, "TASK_LOCKED", std::nullopt, absl::Seconds(3));
  error->ParseFromString(std::string(*refusal.GetPayload("type.googleapis.com/google.rpc.Status")));
  batch.done(std::move(answer));
  EXPECT_EQ(a.get()->id(), "a");
  const absl::Status refused = b.get().status();
  EXPECT_EQ(refused, refusal) << "as if it had gone alone";
  EXPECT_EQ(ReasonOf(refused), Reason::kTaskLocked);
  EXPECT_EQ(RetryAfterOf(refused), absl::Seconds(3));
  EXPECT_EQ(c.get()->id(), "c");
}

TEST_F(CoalescerTest, WhatQueuesBehindABatchGoesWhenItIsAnswered) {
  Occupy();
  auto a = Queue(Start("a"));
  transport_->Open();
  for (auto& first : first_) EXPECT_TRUE(first.get().ok());
  auto first_batch = transport_->Take();
  // Room for one more on the way, for which nothing has queued: it goes alone.
  EXPECT_EQ(Ask(Start("b")).get()->id(), "b");
  first_batch.done(HeldTransport::Answer(first_batch.request));
  EXPECT_EQ(a.get()->id(), "a");
  EXPECT_EQ(Ask(Start("c")).get()->id(), "c");
  EXPECT_EQ(transport_->alone().size(), Coalescer::kRequestsOnTheirWay + 2u);
}

TEST_F(CoalescerTest, ErrorOfABatchIsEachOnes) {
  Occupy();
  auto a = Queue(Start("a")), b = Queue(Start("b"));
  transport_->Open();
  transport_->Take().done(absl::UnavailableError("gone"));
  EXPECT_TRUE(absl::IsUnavailable(a.get().status()));
  EXPECT_TRUE(absl::IsUnavailable(b.get().status()));
}

TEST_F(CoalescerTest, AnswerThatIsTooShortIsAnError) {
  Occupy();
  auto a = Queue(Start("a")), b = Queue(Start("b"));
  transport_->Open();
  auto batch = transport_->Take();
  v1::BatchResponse answer = HeldTransport::Answer(batch.request);
  answer.mutable_results()->RemoveLast();
  batch.done(std::move(answer));
  EXPECT_TRUE(a.get().ok());
  EXPECT_TRUE(absl::IsInternal(b.get().status()));
}

TEST_F(CoalescerTest, DeadlineThatPassesInTheQueueIsNeverSent) {
  Occupy();
  auto soon = Queue(Start("soon"), absl::Milliseconds(50));
  clock_.Advance(absl::Milliseconds(60));
  EXPECT_TRUE(absl::IsDeadlineExceeded(soon.get().status()));
  auto later = Queue(Start("later"));
  transport_->Open();
  auto batch = transport_->Take();
  ASSERT_EQ(batch.request.operations_size(), 1);
  EXPECT_EQ(batch.request.operations(0).start().id(), "later");
  batch.done(HeldTransport::Answer(batch.request));
  EXPECT_TRUE(later.get().ok());
}

TEST_F(CoalescerTest, DeadlineOnTheWayEndsOnlyItsOwnCall) {
  Occupy();
  auto soon = Queue(Start("soon"), absl::Seconds(1));
  auto later = Queue(Start("later"), absl::Seconds(10));
  transport_->Open();
  auto batch = transport_->Take();
  EXPECT_EQ(batch.options.timeout, absl::Seconds(10)) << "of the one that waits longest";
  clock_.Advance(absl::Seconds(2));
  EXPECT_TRUE(absl::IsDeadlineExceeded(soon.get().status()));
  EXPECT_TRUE(Waits(later));
  EXPECT_FALSE(batch.options.cancelled.stop_requested());
  batch.done(HeldTransport::Answer(batch.request));
  EXPECT_EQ(later.get()->id(), "later");
}

TEST_F(CoalescerTest, CancellationInTheQueueIsNeverSent) {
  Occupy();
  std::stop_source cancel;
  auto gone = Queue(Start("gone"), absl::Seconds(10), cancel.get_token());
  auto stays = Queue(Start("stays"));
  cancel.request_stop();
  EXPECT_TRUE(absl::IsCancelled(gone.get().status()));
  EXPECT_TRUE(absl::IsCancelled(
      Ask(Start("too late"), absl::Seconds(10), cancel.get_token()).get().status()))
      << "cancelled before it began";
  transport_->Open();
  auto batch = transport_->Take();
  ASSERT_EQ(batch.request.operations_size(), 1);
  EXPECT_EQ(batch.request.operations(0).start().id(), "stays");
  batch.done(HeldTransport::Answer(batch.request));
  EXPECT_TRUE(stays.get().ok());
}

TEST_F(CoalescerTest, BatchThatNobodyWaitsForIsCancelled) {
  Occupy();
  std::stop_source cancel;
  auto a = Queue(Start("a"), absl::Seconds(10), cancel.get_token());
  auto b = Queue(Start("b"), absl::Seconds(1));
  transport_->Open();
  auto batch = transport_->Take();
  cancel.request_stop();
  EXPECT_TRUE(absl::IsCancelled(a.get().status()));
  EXPECT_FALSE(batch.options.cancelled.stop_requested()) << "b waits";
  clock_.Advance(absl::Seconds(2));
  EXPECT_TRUE(absl::IsDeadlineExceeded(b.get().status()));
  EXPECT_TRUE(batch.options.cancelled.stop_requested());
  batch.done(absl::CancelledError(""));
  EXPECT_TRUE(Ask(Start("next")).get().ok());
}

TEST_F(CoalescerTest, RequestThatHangsHoldsUpNobody) {
  Occupy();
  auto a = Queue(Start("a"));
  auto b = Queue(Start("b"));
  EXPECT_TRUE(Waits(a));
  EXPECT_EQ(transport_->held(), 0u);
  clock_.Advance(Coalescer::kPatience);
  auto batch = transport_->Take();
  EXPECT_EQ(batch.request.operations_size(), 2) << "both have waited so long";
  batch.done(HeldTransport::Answer(batch.request));
  EXPECT_TRUE(a.get().ok());
  EXPECT_TRUE(b.get().ok());
}

TEST_F(CoalescerTest, LargeOnesAreSplitBySize) {
  Occupy();
  std::vector<std::future<Result>> asked;
  for (int i = 0; i < 20; ++i) asked.push_back(Queue(Start(std::to_string(i), 400'000)));
  transport_->Open();
  int answered = 0;
  while (answered < 20) {
    auto batch = transport_->Take();
    EXPECT_LT(batch.request.ByteSizeLong(), 4u << 20);
    answered += batch.request.operations_size();
    batch.done(HeldTransport::Answer(batch.request));
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(asked[i].get()->id(), std::to_string(i));
}

TEST_F(CoalescerTest, AnswersWithoutRoomForAllDataMakeSmallerBatches) {
  Occupy();
  std::vector<std::future<Result>> asked;
  for (int i = 0; i < 6; ++i) asked.push_back(Queue(Start(std::to_string(i))));
  transport_->Open();
  auto batch = transport_->Take();
  ASSERT_EQ(batch.request.operations_size(), 6);
  v1::BatchResponse answer = HeldTransport::Answer(batch.request);
  for (int i = 2; i < 6; ++i) answer.mutable_results(i)->mutable_task()->set_truncated(true);
  for (int i = 0; i < 8; ++i) {
    // Behind it, while there is a request on its way.
    asked.push_back(Ask(Start("later")));
  }
  batch.done(std::move(answer));
  EXPECT_TRUE(asked[5].get()->truncated()) << "to be fetched by the caller";
  for (size_t left = asked.size(); left > 6;) {
    size_t done = 0;
    for (size_t i = 6; i < asked.size(); ++i) done += !Waits(asked[i]);
    left = asked.size() - done;
    if (transport_->held() == 0) continue;
    auto next = transport_->Take();
    EXPECT_LE(next.request.operations_size(), 4) << "2, then at most twice that";
    next.done(HeldTransport::Answer(next.request));
  }
  for (size_t i = 6; i < asked.size(); ++i) EXPECT_TRUE(asked[i].get().ok());
}

TEST_F(CoalescerTest, NothingIsLeftOfARequestThatWasAnswered) {
  Occupy();
  auto a = Queue(Start("a")), b = Queue(Start("b"));
  transport_->Open();
  auto batch = transport_->Take();
  EXPECT_TRUE(batch.options.cancelled.stop_possible());
  batch.done(HeldTransport::Answer(batch.request));
  batch.done = nullptr;
  EXPECT_TRUE(a.get().ok());
  EXPECT_TRUE(b.get().ok());
  // Its calls have returned, and with them went the last that could stop it.
  EXPECT_FALSE(batch.options.cancelled.stop_possible());
}

TEST_F(CoalescerTest, RequestsOnTheirWayOutliveIt) {
  Occupy();
  auto a = Queue(Start("a"), absl::Seconds(1));
  transport_->Open();
  auto batch = transport_->Take();
  clock_.Advance(absl::Seconds(2));
  EXPECT_FALSE(a.get().ok());
  for (auto& first : first_) EXPECT_TRUE(first.get().ok());
  std::weak_ptr<Coalescer> gone = coalescer_;
  coalescer_.reset();
  batch.done(HeldTransport::Answer(batch.request));
  batch.done = nullptr;
  EXPECT_TRUE(gone.expired());
}

// Answers each Batch on a thread of its own, in any order.
class BusyTransport : public HeldTransport {
 public:
  void Batch(v1::BatchRequest request, const CallOptions&, BatchCallback done) override {
    ++batches;
    largest = std::max(largest.load(), request.operations_size());
    std::lock_guard lock(mutex_);
    threads_.emplace_back([request, done = std::move(done)] { done(Answer(request)); });
  }
  // Before the last reference goes: that may be on one of the threads.
  void Join() {
    std::vector<std::jthread> threads;
    std::lock_guard lock(mutex_);
    threads.swap(threads_);
  }
  std::atomic<int> batches = 0;
  std::atomic<int> largest = 0;

 private:
  std::mutex mutex_;
  std::vector<std::jthread> threads_;
};

TEST(Coalescer, ManyThreadsEachGetTheirOwnAnswer) {
  auto transport = std::make_shared<BusyTransport>();
  FakeClock clock;
  auto coalescer = std::make_shared<Coalescer>(transport, &clock);
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 32; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 100; ++i) {
          const std::string id = std::to_string(t) + "-" + std::to_string(i);
          const auto task = coalescer->Write(Start(id), {absl::Seconds(60), {}});
          right += task.ok() && task->id() == id;
        }
      });
    }
    // So that some do travel together, however the threads are scheduled.
    while (coalescer->queued() < 32 - Coalescer::kRequestsOnTheirWay) std::this_thread::yield();
    transport->Open();
  }
  transport->Join();
  EXPECT_EQ(right, 3200);
  EXPECT_GT(transport->batches, 0);
  EXPECT_GT(transport->largest, 1);
}

}  // namespace
}  // namespace tracker::testing
