#include "tests/unit/command_sequence.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/base/limits.h"
#include "src/domain/transition.h"
#include "tests/unit/task_builder.h"

namespace tracker::domain::testing {
namespace {

class Sequence {
 public:
  explicit Sequence(const Pick& pick) : pick_(pick) {
    auto policy = std::make_shared<Policy>();
    policy->lease = absl::Seconds(10);
    policy->max_attempts = 2;
    policy->backoff = {.initial = absl::Seconds(pick_(3)), .jitter = 0.5};
    policy_ = policy;
  }

  void Run(int steps) {
    for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
      now_ += absl::Milliseconds(pick_(6000));
      if (Chance(3)) ChangePolicy();
      Step();
    }
    if (!::testing::Test::HasFailure()) CheckThatItEnds();
    if (::testing::Test::HasFailure()) ADD_FAILURE() << "after:" << history_;
  }

 private:
  bool Chance(int percent) { return pick_(100) < percent; }

  // An operator's doing, between two commands.
  void ChangePolicy() {
    auto policy = std::make_shared<Policy>(*policy_);
    policy->max_attempts = 1 + pick_(3);
    policy->paused = Chance(30);
    policy_ = policy;
  }

  std::string NewToken() {
    tokens_.push_back(absl::StrCat("token-", tokens_.size()));
    return tokens_.back();
  }
  // Mostly the row's, now and then one of the past.
  std::string SomeToken() {
    if (task_ && Chance(70)) return task_->lock;
    return tokens_.empty() ? "unknown" : tokens_[pick_(static_cast<int>(tokens_.size()))];
  }
  std::optional<std::string> SomeData() {
    if (Chance(60)) return std::nullopt;
    return absl::StrCat(R"({"n":)", pick_(100), "}");
  }

  std::optional<absl::Duration> SomeLease() {
    if (Chance(60)) return std::nullopt;
    return absl::Milliseconds(100 + pick_(20'000));
  }
  std::optional<absl::Time> SomeAsOf() {
    if (!task_ || Chance(40)) return std::nullopt;
    return Chance(70) ? task_->update_time : now_ - absl::Hours(1);
  }

  Command RandomCommand() {
    const auto make = [&](Action action, std::string token) {
      Command command = MakeCommand(std::move(action), std::move(token));
      command.policy = policy_;
      command.random = pick_(1000) / 1000.0;
      return command;
    };
    switch (pick_(17)) {
      case 0: return make(Create{.max_attempts = pick_(4)}, NewToken());
      case 1: return make(Create{.allow_existing = true}, NewToken());
      case 2:
      case 3:
      case 4: return make(Start{.worker = "w", .create_if_missing = Chance(50)}, NewToken());
      case 5:
        return make(Start{.worker = "w", .ignore_lock = Chance(30), .force = Chance(30)},
                    SomeToken());
      case 6:
        return make(Start{.worker = "w", .ignore_lock = Chance(70), .force = Chance(70)},
                    NewToken());
      case 7: return make(Heartbeat{.lease = SomeLease(), .data = SomeData()}, SomeToken());
      case 8: return make(Succeed{.data = SomeData()}, SomeToken());
      case 9:
      case 10:
        return make(Fail{.message = "no", .no_retry = Chance(20), .data = SomeData()}, SomeToken());
      case 11:
        return make(Release{.delay = absl::Seconds(pick_(2)), .undelivered = SomeAsOf()},
                    SomeToken());
      case 12: return make(Expire{}, NewToken());
      case 13:
        return Chance(30) ? make(Ignore{.as_of = SomeAsOf()}, NewToken())
                          : make(Expire{}, NewToken());
      case 14: return make(Reset{.force = Chance(50), .as_of = SomeAsOf()}, NewToken());
      case 15: return make(Purge{.before = now_ - absl::Seconds(pick_(20))}, NewToken());
      default:
        return Chance(20) ? make(Delete{.force = Chance(50), .as_of = SomeAsOf()}, NewToken())
                          : make(Expire{}, NewToken());
    }
  }

  void Step() {
    const Command command = RandomCommand();
    const std::optional<Task> before = task_;
    // Only a start heeds it.
    unmet_ = Chance(5) ? std::vector<std::string>{"earlier"} : std::vector<std::string>{};
    const Transition first = Apply(task_, command, now_, unmet_);
    history_ +=
        absl::StrCat("\n  ", absl::FormatDuration(now_ - kStart), " ", ActionName(command.action),
                     " ", command.token, ": ", ReasonName(first.outcome.reason));
    CheckChange(command, before, first);
    CheckFence(command, before, first);
    CheckAttempt(command, before, first);
    CheckTask();
    CheckAlarm();
    CheckHolders();
    CheckReplay(command, first);
  }

  void CheckChange(const Command& command, const std::optional<Task>& before,
                   const Transition& first) {
    if (!first.changed) {
      EXPECT_EQ(task_, before);
    }
    if (first.outcome.ok() || !first.changed) return;
    // The one refusal that changes something.
    EXPECT_TRUE(std::holds_alternative<Start>(command.action));
    EXPECT_EQ(first.outcome.reason, Reason::kTaskExhausted);
    EXPECT_FALSE(Finished(before->status));
    EXPECT_LE(before->lock_expire_time, now_);
    EXPECT_EQ(task_->status, Status::kExhausted);
  }

  // No lock has two attempts, as far as a task remembers, and no attempt begins without force
  // beyond what is allowed.
  void CheckAttempt(const Command& command, const std::optional<Task>& before,
                    const Transition& first) {
    const auto* start = std::get_if<Start>(&command.action);
    if (start == nullptr || !first.outcome.ok() || !first.changed) return;
    if (!start->force) {
      EXPECT_LE(task_->attempts, EffectiveMaxAttempts(*task_, *policy_));
    }
    if (!before || before->create_time != created_) {
      started_.clear();
      created_ = task_->create_time;
    }
    const size_t from = started_.size() - std::min(started_.size(), limits::kSpentLocks / 2);
    for (size_t i = from; i < started_.size(); ++i) EXPECT_NE(started_[i], command.token);
    started_.push_back(command.token);
    if (!before) return;
    for (const std::string& spent : before->spent_locks) EXPECT_NE(spent, command.token);
    EXPECT_NE(before->lock, command.token);
  }

  void CheckFence(const Command& command, const std::optional<Task>& before,
                  const Transition& first) {
    const bool started =
        std::holds_alternative<Start>(command.action) && first.outcome.ok() && first.changed;
    if (!task_) return;
    const int64_t fence_before = before ? before->fence : 0;
    EXPECT_EQ(task_->fence, fence_before + (started ? 1 : 0));
  }

  void CheckTask() {
    if (!task_) return;
    EXPECT_LE(task_->errors.size(), limits::kErrors);
    EXPECT_LE(task_->spent_locks.size(), limits::kSpentLocks);
    for (size_t i = 1; i < task_->errors.size(); ++i) {
      EXPECT_LE(task_->errors[i - 1].time, task_->errors[i].time);
      EXPECT_LE(task_->errors[i - 1].fence, task_->errors[i].fence);
    }
    EXPECT_GE(task_->attempts, 0);
    EXPECT_LE(task_->update_time, now_);
    EXPECT_FALSE(task_->lock.empty());
    if (task_->status == Status::kInProgress) {
      EXPECT_GE(task_->attempts, 1);
      EXPECT_LT(task_->lock_time, task_->lock_expire_time);
    } else {
      EXPECT_EQ(task_->lock_expire_time, absl::UnixEpoch());
    }
  }

  // It is claimable, or has an alarm, or is finished: never forgotten.
  void CheckAlarm() {
    if (!task_) return;
    const bool waits = task_->status == Status::kPending || task_->status == Status::kFailed;
    if (task_->status == Status::kInProgress) {
      EXPECT_GT(task_->alarm_time, absl::UnixEpoch());
      EXPECT_LE(task_->alarm_time, task_->lock_expire_time);
    } else if (waits && task_->alarm_time != absl::UnixEpoch()) {
      EXPECT_EQ(task_->alarm_time, task_->available_time);
    } else if (waits) {
      EXPECT_LE(task_->available_time, now_) << "claimable before its time";
    } else {
      EXPECT_EQ(task_->alarm_time, absl::UnixEpoch());
    }
    EXPECT_EQ(Claimable(*task_), waits && task_->alarm_time == absl::UnixEpoch());
    // Expire leaves no alarm that has come already.
    std::optional<Task> later = task_;
    Apply(later, MakeCommand(Expire{}), now_ + absl::Seconds(7));
    if (later->alarm_time != absl::UnixEpoch()) {
      EXPECT_GT(later->alarm_time, now_ + absl::Seconds(7));
    }
  }

  // One way of ending the attempt, or of keeping it: the next one at each call, as all four are
  // many copies of a task.
  bool ChangesTheTask(const std::string& token) {
    static const Action kWays[] = {Heartbeat{}, Succeed{}, Fail{}, Release{}};
    std::optional<Task> copy = task_;
    return Apply(copy, MakeCommand(kWays[way_++ % std::size(kWays)], token), now_).changed;
  }

  // Of all tokens ever made at most one can change the task, and only while it is in progress.
  void CheckHolders() {
    // All of them now and then, the latest always: it is they that could go wrong.
    constexpr size_t kLatest = 8;
    const size_t from = tokens_.size() > kLatest && Chance(90) ? tokens_.size() - kLatest : 0;
    int holders = 0;
    std::set<std::string> candidates(tokens_.begin() + from, tokens_.end());
    if (task_) candidates.insert(task_->lock);
    for (const std::string& token : candidates) {
      if (ChangesTheTask(token)) ++holders;
    }
    EXPECT_EQ(holders, task_ && task_->status == Status::kInProgress ? 1 : 0);
  }

  void CheckReplay(const Command& command, const Transition& first) {
    const bool removes = std::holds_alternative<Delete>(command.action) ||
                         std::holds_alternative<Purge>(command.action);
    if (removes && first.changed) return;
    std::optional<Task> replayed = task_;
    const Transition second = Apply(replayed, command, now_, unmet_);
    EXPECT_EQ(second.outcome.reason, first.outcome.reason);
    EXPECT_EQ(second.outcome.task, first.outcome.task);
    EXPECT_EQ(replayed, task_) << "a repeated command acted twice";
  }

  // Workers that take it and die: bounded rounds lead to an end.
  void CheckThatItEnds() {
    auto policy = std::make_shared<Policy>(*policy_);
    policy->paused = false;
    policy_ = policy;
    const int rounds = limits::kDefaultMaxAttempts + 2;
    for (int round = 0; task_ && !Ended() && round < rounds; ++round) {
      now_ += absl::Hours(1);
      Command command = MakeCommand(Expire{}, NewToken());
      command.policy = policy_;
      Apply(task_, command, now_);
      now_ += absl::Hours(1);
      command.action = Start{.worker = "dies"};
      command.token = NewToken();
      Apply(task_, command, now_);
    }
    if (task_) {
      EXPECT_TRUE(Ended()) << StatusName(task_->status);
    }
  }

  bool Ended() const {
    return task_->status == Status::kExhausted || task_->status == Status::kSucceeded ||
           task_->status == Status::kIgnored;
  }

  const Pick& pick_;
  std::shared_ptr<const Policy> policy_;
  std::optional<Task> task_;
  absl::Time now_ = kStart;
  std::vector<std::string> tokens_;
  std::vector<std::string> unmet_;
  // The locks of the attempts of the task that was created then.
  absl::Time created_ = absl::InfinitePast();
  std::vector<std::string> started_;
  size_t way_ = 0;
  std::string history_;
};

}  // namespace

void RunCommandSequence(const Pick& pick, int steps) { Sequence(pick).Run(steps); }

}  // namespace tracker::domain::testing
