#include "tests/e2e/load.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "src/base/token.h"

namespace tracker::e2e {
namespace {

constexpr int kBatchTasks = 20;
constexpr absl::Duration kPause = absl::Milliseconds(10);

v1::CreateRequest CreateOf(const std::string& id) {
  auto request = For<v1::CreateRequest>(id);
  // So that a repeat is no refusal.
  request.set_allow_existing(true);
  return request;
}

v1::SucceedRequest SucceedOf(const std::string& id, const std::string& lock) {
  auto request = Held<v1::SucceedRequest>(id, lock);
  (*request.mutable_data()->mutable_fields())["by"].set_string_value(lock);
  return request;
}

v1::FailRequest FailOf(const std::string& id, const std::string& lock) {
  auto request = Held<v1::FailRequest>(id, lock);
  request.set_message("failed with " + lock);
  return request;
}

const std::string& LockOf(const Request& request) {
  if (const auto* start = std::get_if<v1::StartRequest>(&request)) return start->lock();
  if (const auto* succeed = std::get_if<v1::SucceedRequest>(&request)) return succeed->lock();
  return std::get<v1::FailRequest>(request).lock();
}

v1::Status StatusAfter(const Request& request) {
  static constexpr v1::Status kStatuses[] = {v1::STATUS_PENDING, v1::STATUS_IN_PROGRESS,
                                             v1::STATUS_SUCCEEDED, v1::STATUS_FAILED};
  return kStatuses[request.index()];
}

std::string Show(const v1::Task& task) {
  return absl::StrCat(v1::Status_Name(task.status()), " attempts ", task.attempts(), " fence ",
                      task.fence(), " errors ", task.errors_size(), " update ",
                      task.update_time().seconds(), ".", task.update_time().nanos());
}

// What of a task may differ between its answer and a later look: the lock is shown once, and the
// lease's rest shrinks.
v1::Task Lasting(v1::Task task) {
  task.clear_lock();
  task.clear_lease_remaining();
  return task;
}

v1::Operation OperationOf(const Request& request) {
  v1::Operation operation;
  if (const auto* create = std::get_if<v1::CreateRequest>(&request))
    *operation.mutable_create() = *create;
  if (const auto* start = std::get_if<v1::StartRequest>(&request))
    *operation.mutable_start() = *start;
  if (const auto* succeed = std::get_if<v1::SucceedRequest>(&request))
    *operation.mutable_succeed() = *succeed;
  if (const auto* fail = std::get_if<v1::FailRequest>(&request)) *operation.mutable_fail() = *fail;
  return operation;
}

}  // namespace

class Load::Caller {
 public:
  Caller(Load* load, const std::string& address, int number)
      : load_(*load), api_(address), name_(absl::StrCat("c", number, "-")), random_(number) {}

  void RunUnary() {
    for (int i = 0; !load_.stopping_; ++i) {
      const std::string id = absl::StrCat(name_, i);
      Entry& entry = entries_[id];
      if (!Ask(entry, CreateOf(id))) continue;
      // A third of the tasks need a second attempt.
      if (Random() < 0.33 && (!Start(entry, id) || !Ask(entry, FailOf(id, lock_)))) continue;
      if (Start(entry, id)) Ask(entry, SucceedOf(id, lock_));
    }
  }

  void RunBatches() {
    for (int i = 0; !load_.stopping_; ++i) {
      std::vector<std::pair<std::string, std::string>> tasks;
      for (int t = 0; t < kBatchTasks; ++t)
        tasks.emplace_back(absl::StrCat(name_, i, "-", t), NewLockToken());
      const auto ask_all =
          [&](const std::function<Request(const std::string&, const std::string&)>& make) {
            std::vector<Entry*> asked;
            for (const auto& [id, lock] : tasks) {
              Entry& entry = entries_[id];
              if (entry.abandoned) continue;
              entry.last = make(id, lock);
              if (std::holds_alternative<v1::StartRequest>(entry.last)) ++entry.starts;
              asked.push_back(&entry);
            }
            AskBatch(std::move(asked));
          };
      ask_all([](const auto& id, const auto&) { return CreateOf(id); });
      ask_all([](const auto& id, const auto& lock) { return StartOf(id, lock); });
      ask_all([](const auto& id, const auto& lock) { return SucceedOf(id, lock); });
    }
  }

  std::map<std::string, Entry> TakeEntries() { return std::move(entries_); }

 private:
  double Random() { return std::uniform_real_distribution<double>(0, 1)(random_); }

  bool Start(Entry& entry, const std::string& id) {
    lock_ = NewLockToken();
    ++entry.starts;
    return Ask(entry, StartOf(id, lock_));
  }

  // Asks until there is an answer, or gives the entry up.
  bool Ask(Entry& entry, Request request) {
    entry.last = std::move(request);
    while (true) {
      bool unanswered = false;
      const bool ok = std::visit(
          [&](const auto& asked) {
            const auto reply = api_.Call(asked);
            if (reply.ok()) entry.acknowledged = reply.body.task();
            unanswered = load_.Unanswered(reply.status);
            return reply.ok();
          },
          entry.last);
      if (ok) return true;
      if (!unanswered || load_.giving_up_ || Random() < load_.options_.abandon) {
        entry.abandoned = true;
        // Not thousands of such tasks while nobody answers.
        api_.Pause(kPause);
        return false;
      }
      api_.Pause(kPause);
    }
  }

  // The same for many at once.
  void AskBatch(std::vector<Entry*> asked) {
    while (!asked.empty()) {
      v1::BatchRequest batch;
      for (const Entry* entry : asked) *batch.add_operations() = OperationOf(entry->last);
      const auto reply = api_.Call(batch);
      std::vector<Entry*> again;
      const auto sort = [&](Entry* entry, bool unanswered) {
        unanswered ? again.push_back(entry) : static_cast<void>(entry->abandoned = true);
      };
      if (!reply.ok()) {
        const bool unanswered = load_.Unanswered(reply.status);
        for (Entry* entry : asked) sort(entry, unanswered);
      }
      for (int i = 0; i < reply.body.results_size(); ++i) {
        const v1::OperationResult& result = reply.body.results(i);
        const auto code = static_cast<grpc::StatusCode>(result.error().code());
        const bool unanswered =
            load_.Unanswered({code, result.error().message(), result.error().SerializeAsString()});
        if (result.has_task()) {
          asked[i]->acknowledged = result.task();
        } else {
          sort(asked[i], unanswered);
        }
      }
      if (!again.empty() && load_.giving_up_) {
        for (Entry* entry : again) entry->abandoned = true;
        return;
      }
      if (!again.empty()) api_.Pause(kPause);
      asked = std::move(again);
    }
  }

  Load& load_;
  Api api_;
  const std::string name_;
  std::mt19937 random_;
  std::string lock_;
  std::map<std::string, Entry> entries_;
};

Load::Load(const std::string& address, LoadOptions options) : options_(options) {
  for (int i = 0; i < options.callers + options.batch_callers; ++i) {
    threads_.emplace_back([this, address, i] {
      Caller caller(this, address, i);
      i < options_.callers ? caller.RunUnary() : caller.RunBatches();
      const std::lock_guard lock(mutex_);
      ledger_.merge(caller.TakeEntries());
    });
  }
}

Load::~Load() {
  giving_up_ = true;
  Stop();
}

void Load::Stop() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Load::StopAtOnce() {
  giving_up_ = true;
  Stop();
}

bool Load::Unanswered(const grpc::Status& status) {
  if (status.ok()) {
    ++acknowledged_;
    return false;
  }
  const bool unavailable = status.error_code() == grpc::StatusCode::UNAVAILABLE;
  const std::string reason = RefusalOf(status).reason;
  const std::lock_guard lock(mutex_);
  if (!unavailable) {
    ++surprises_[VerdictOf(status)];
  } else if (reason.empty()) {
    ++unreachable_;
    ++disconnects_[status.error_message()];
  } else {
    ++refused_;
    if (reason != "STORE_UNAVAILABLE") ++surprises_[reason];
  }
  return unavailable;
}

std::map<std::string, int> Load::surprises() const {
  const std::lock_guard lock(mutex_);
  return surprises_;
}

std::map<std::string, int> Load::disconnects() const {
  const std::lock_guard lock(mutex_);
  return disconnects_;
}

namespace {

// The task as it is now against what its caller knows.
void ExpectKept(const std::string& id, const Entry& entry, const v1::Task* stored) {
  if (stored == nullptr) {
    EXPECT_FALSE(entry.acknowledged)
        << id << " is lost; its caller was told " << Show(*entry.acknowledged);
    return;
  }
  if (entry.acknowledged && Same(Lasting(*stored), Lasting(*entry.acknowledged))) return;
  EXPECT_TRUE(entry.abandoned) << id << " is " << Show(*stored) << "; its caller was told "
                               << Show(entry.acknowledged.value_or(v1::Task()));
  // The request whose answer was lost has taken effect.
  EXPECT_EQ(stored->status(), StatusAfter(entry.last)) << id;
  EXPECT_EQ(stored->fence(), entry.starts) << id;
  EXPECT_EQ(stored->attempts(), entry.starts) << id;
}

// The last request once more, with the same lock: the same answer, and nothing twice.
void ExpectSameAnswerAgain(Api& api, const std::string& id, const Entry& entry) {
  std::visit(
      [&](const auto& last) {
        const auto reply = api.Call(last);
        EXPECT_TRUE(reply.ok()) << id << ": " << reply.Verdict();
        const v1::Task& task = reply.body.task();
        EXPECT_EQ(task.status(), StatusAfter(entry.last)) << id;
        EXPECT_EQ(task.fence(), entry.starts) << id;
        EXPECT_EQ(task.attempts(), entry.starts) << id;
        if (entry.abandoned) return;
        EXPECT_TRUE(Same(Lasting(task), Lasting(*entry.acknowledged))) << id << " " << Show(task);
        const bool start = std::holds_alternative<v1::StartRequest>(entry.last);
        EXPECT_EQ(task.lock(), start ? LockOf(entry.last) : "") << id;
      },
      entry.last);
}

}  // namespace

void ExpectLedgerHolds(Api& api, const std::map<std::string, Entry>& ledger) {
  std::map<std::string, v1::Task> tasks = api.ListAll(kJobs);
  for (const auto& [id, entry] : ledger) {
    const auto task = tasks.find(id);
    ExpectKept(id, entry, task == tasks.end() ? nullptr : &task->second);
    ExpectSameAnswerAgain(api, id, entry);
    if (::testing::Test::HasFailure()) break;  // One is enough to read.
  }
  tasks = api.ListAll(kJobs);
  EXPECT_EQ(tasks.size(), ledger.size());
  std::map<v1::Status, int64_t> recount;
  for (const auto& [id, task] : tasks) ++recount[task.status()];
  EXPECT_EQ(api.Count(kJobs), recount);
}

}  // namespace tracker::e2e
