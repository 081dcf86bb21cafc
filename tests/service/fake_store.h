// A store in memory that waits, or fails, on command, and counts what it is asked. Thread-safe.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "src/base/limits.h"
#include "src/store/batch.h"
#include "src/store/claim_deal.h"
#include "src/store/store.h"
#include "tests/support/unavailable_store.h"

namespace tracker::testing {

class FakeStore : public UnavailableStore {
 public:
  // What a test keeps of the store when a Tracker owns it.
  struct Control {
    absl::Mutex mutex;
    // Apply, Claim and Get wait while this is set.
    bool hold = false;
    // Apply and all reads answer as if the database were away.
    bool away = false;
    // CheckCounts goes on until its caller has it end.
    bool hold_recount = false;
    int recounting = 0;
    // The commands of each Apply, by id.
    std::vector<std::vector<std::string>> batches;
    int applying = 0;
    // Each Claim and each HaveClaimable so far.
    std::vector<store::ClaimQuery> claims;
    std::vector<std::vector<std::string>> polls;
    // What each token was handed out.
    std::map<std::string, std::vector<domain::TaskKey>> handed_out;
    // Tasks that one Claim looks at; and rows that somebody holds.
    int claim_scan = limits::kClaimScan;
    std::set<domain::TaskKey> held;
    std::map<std::string, domain::Policy> policies;
    int64_t policy_version = 1;
    // The revisions of deletions, and up to which they are forgotten.
    std::map<std::string, int64_t> policies_gone;
    int64_t policies_forgotten = 0;
    // What the store was asked for: policies that it answered, statements about attempts, and looks
    // for finished tasks.
    int policies_read = 0;
    int attempt_looks = 0;
    std::vector<std::string> finished_looks;
    std::map<std::string, store::AttemptCount> attempts;
    absl::Time now = absl::FromUnixSeconds(1'000'000);
    std::map<domain::TaskKey, domain::Task> tasks;

    void Hold(bool on) {
      absl::MutexLock lock(&mutex);
      hold = on;
    }
    void Away(bool on) {
      absl::MutexLock lock(&mutex);
      away = on;
    }
    // Waits until an Apply is held.
    void AwaitHeld() {
      absl::MutexLock lock(&mutex);
      mutex.Await(absl::Condition(
          +[](int* applying) { return *applying > 0; }, &applying));
    }
    // Waits for the count-th Claim, or poll, to have begun.
    void AwaitClaims(size_t count) {
      absl::MutexLock lock(&mutex);
      auto reached = [&] { return claims.size() >= count; };
      mutex.Await(absl::Condition(&reached));
    }
    void AwaitPolls(size_t count) {
      absl::MutexLock lock(&mutex);
      auto reached = [&] { return polls.size() >= count; };
      mutex.Await(absl::Condition(&reached));
    }
    size_t Claims() {
      absl::MutexLock lock(&mutex);
      return claims.size();
    }
    size_t Polls() {
      absl::MutexLock lock(&mutex);
      return polls.size();
    }
    domain::Task TaskOf(const domain::TaskKey& key) {
      absl::MutexLock lock(&mutex);
      return tasks.at(key);
    }
    // As another server would.
    void ChangePolicy(domain::Policy policy) {
      absl::MutexLock lock(&mutex);
      Store(std::move(policy));
    }
    domain::Policy Store(domain::Policy policy) {
      policy.revision = ++policy_version;
      policy.update_time = now;
      policies[policy.name_space] = policy;
      policies_gone.erase(policy.name_space);
      return policy;
    }
    std::vector<std::vector<std::string>> Batches() {
      absl::MutexLock lock(&mutex);
      return batches;
    }
  };

  explicit FakeStore(std::shared_ptr<Control> control) : control_(std::move(control)) {}

  using Store::Apply;
  std::vector<domain::Outcome> Apply(absl::Span<const domain::Command* const> commands,
                                     const store::ApplyOptions& options) override {
    absl::MutexLock lock(&control_->mutex);
    ++control_->applying;
    control_->mutex.Await(absl::Condition(
        +[](bool* hold) { return !*hold; }, &control_->hold));
    --control_->applying;
    if (control_->away) {
      return std::vector<domain::Outcome>(
          commands.size(), domain::Outcome{.reason = domain::Reason::kStoreUnavailable});
    }
    std::vector<std::string> ids;
    for (const domain::Command* command : commands) ids.push_back(command->key.id);
    control_->batches.push_back(std::move(ids));
    store::Batch batch(commands);
    for (const domain::TaskKey& key : batch.keys()) {
      if (const auto task = control_->tasks.find(key); task != control_->tasks.end()) {
        batch.Load(task->second);
      }
    }
    for (const domain::TaskKey& key : batch.keys()) {
      if (options.patience > absl::ZeroDuration() || !control_->held.contains(key)) continue;
      batch.Exclude(key, domain::Reason::kHeld, "somebody else is writing it");
    }
    return RunBatch(batch);
  }
  absl::StatusOr<store::ClaimAnswer> Claim(const store::ClaimQuery& query) override {
    absl::MutexLock lock(&control_->mutex);
    control_->claims.push_back(query);
    control_->mutex.Await(absl::Condition(
        +[](bool* hold) { return !*hold; }, &control_->hold));
    if (control_->away) return absl::UnavailableError("away");
    store::ClaimAnswer answer(query.orders.size());
    answer.now = control_->now;
    store::ClaimDeal deal(query.orders);
    Recall(query, deal, answer);
    if (query.policy && query.policy->paused) return answer;
    int scanned = 0;
    for (const domain::Task& task : Claimable(query.name_space)) {
      if (deal.wanted() == 0) break;
      if (!query.from.empty() && task.key.id < query.from) continue;
      if (scanned++ == control_->claim_scan) {
        answer.next = task.key.id;
        break;
      }
      if (!Ready(task, query.after)) continue;
      const size_t order = deal.Deal(domain::ByteSize(task));
      answer.tasks[order].push_back(StartFor(query, query.orders[order], task));
    }
    return answer;
  }
  absl::StatusOr<std::vector<bool>> HaveClaimable(
      const std::vector<std::string>& name_spaces) override {
    absl::MutexLock lock(&control_->mutex);
    control_->polls.push_back(name_spaces);
    if (control_->away) return absl::UnavailableError("away");
    std::vector<bool> answer;
    for (const std::string& name_space : name_spaces) {
      answer.push_back(!Claimable(name_space).empty());
    }
    return answer;
  }
  domain::Outcome Get(const domain::TaskKey& key) override {
    absl::MutexLock lock(&control_->mutex);
    control_->mutex.Await(absl::Condition(
        +[](bool* hold) { return !*hold; }, &control_->hold));
    if (control_->away) return {.reason = domain::Reason::kStoreUnavailable};
    const auto task = control_->tasks.find(key);
    if (task == control_->tasks.end()) return {.reason = domain::Reason::kTaskNotFound};
    return {.task = task->second, .now = control_->now};
  }
  // By id, which stands for the time of creation.
  absl::StatusOr<store::Page> List(const store::ListQuery& query) override {
    absl::MutexLock lock(&control_->mutex);
    if (control_->away) return absl::UnavailableError("away");
    store::Page page{.now = control_->now};
    for (const auto& [key, task] : control_->tasks) {
      if (key.name_space != query.name_space) continue;
      if (query.after && key.id <= query.after->id) continue;
      if (static_cast<int>(page.tasks.size()) == query.limit) {
        page.next = store::Cursor{page.tasks.back().create_time, page.tasks.back().key.id};
        break;
      }
      ++page.scanned;
      if (!query.statuses.empty() && !absl::c_linear_search(query.statuses, task.status)) continue;
      page.tasks.push_back(task);
      page.tasks.back().lock.clear();
    }
    return page;
  }
  using UnavailableStore::Count;
  absl::StatusOr<store::CountPage> Count(const store::CountQuery& query) override {
    absl::MutexLock lock(&control_->mutex);
    if (control_->away) return absl::UnavailableError("away");
    std::map<std::string, std::map<domain::Status, int64_t>> counts;
    for (const auto& [key, task] : control_->tasks) {
      const bool wanted = query.name_space.empty() ? key.name_space > query.after
                                                   : key.name_space == query.name_space;
      if (wanted) ++counts[key.name_space][task.status];
    }
    store::CountPage page;
    int namespaces = 0;
    for (const auto& [name_space, of_it] : counts) {
      if (namespaces++ == query.limit) {
        page.next = page.counts.back().name_space;
        break;
      }
      for (const auto& [status, count] : of_it) page.counts.push_back({name_space, status, count});
    }
    return page;
  }
  absl::StatusOr<std::vector<domain::TaskKey>> ListDue(const store::DueQuery& query) override {
    absl::MutexLock lock(&control_->mutex);
    if (control_->away) return absl::UnavailableError("away");
    std::vector<domain::TaskKey> keys;
    for (const auto& [key, task] : control_->tasks) {
      const bool due = task.alarm_time != absl::UnixEpoch() && task.alarm_time <= control_->now;
      if (due && static_cast<int>(keys.size()) < query.limit) keys.push_back(key);
    }
    return keys;
  }
  absl::StatusOr<store::FinishedPage> ListFinished(const store::FinishedQuery& query) override {
    absl::MutexLock lock(&control_->mutex);
    if (control_->away) return absl::UnavailableError("away");
    control_->finished_looks.push_back(query.name_space);
    store::FinishedPage page{.before = control_->now - query.age};
    for (const auto& [key, task] : control_->tasks) {
      if (key.name_space != query.name_space || (query.after && key.id <= query.after->id))
        continue;
      if (static_cast<int>(page.keys.size()) == query.limit) {
        page.next = store::Cursor{page.before, page.keys.back().id};
        break;
      }
      ++page.scanned;
      if (domain::Finished(task.status) && task.update_time <= page.before) {
        page.keys.push_back(key);
      }
    }
    return page;
  }
  absl::StatusOr<store::CountCheck> CheckCounts(const store::GoOn& go_on) override {
    if (absl::Status ended = AwaitRecount(go_on); !ended.ok()) return ended;
    absl::MutexLock lock(&control_->mutex);
    return store::CountCheck{.tasks = static_cast<int64_t>(control_->tasks.size())};
  }
  absl::StatusOr<domain::Policy> SetPolicy(const domain::Policy& policy,
                                           std::optional<int64_t> revision) override {
    absl::MutexLock lock(&control_->mutex);
    if (control_->away) return absl::UnavailableError("away");
    const auto stored = control_->policies.find(policy.name_space);
    const int64_t known = stored == control_->policies.end() ? 0 : stored->second.revision;
    if (revision && *revision != known) return absl::AbortedError("changed");
    return control_->Store(policy);
  }
  absl::StatusOr<std::optional<domain::Policy>> GetPolicy(const std::string& name_space) override {
    absl::MutexLock lock(&control_->mutex);
    const auto stored = control_->policies.find(name_space);
    if (stored == control_->policies.end()) return std::nullopt;
    return stored->second;
  }
  using UnavailableStore::ListPolicies;
  absl::StatusOr<store::PolicyPage> ListPolicies(const store::PolicyQuery& query) override {
    absl::MutexLock lock(&control_->mutex);
    if (control_->away) return absl::UnavailableError("away");
    store::PolicyPage page;
    for (const auto& [name_space, policy] : control_->policies) {
      if (name_space <= query.after) continue;
      if (static_cast<int>(page.policies.size()) == query.limit) {
        page.next = page.policies.back().name_space;
        break;
      }
      ++control_->policies_read;
      page.policies.push_back(policy);
    }
    return page;
  }
  absl::StatusOr<std::vector<store::PolicyChange>> ListPolicyChanges(int64_t since,
                                                                     int limit) override {
    absl::MutexLock lock(&control_->mutex);
    if (control_->away) return absl::UnavailableError("away");
    if (control_->policies_forgotten > since) return absl::OutOfRangeError("forgotten");
    std::map<int64_t, store::PolicyChange> changes;
    for (const auto& [name_space, policy] : control_->policies) {
      changes[policy.revision] = {name_space, policy.revision, policy};
    }
    for (const auto& [name_space, revision] : control_->policies_gone) {
      changes[revision] = {name_space, revision, std::nullopt};
    }
    std::vector<store::PolicyChange> answer;
    for (auto change = changes.upper_bound(since);
         change != changes.end() && static_cast<int>(answer.size()) < limit; ++change) {
      ++control_->policies_read;
      answer.push_back(change->second);
    }
    return answer;
  }
  absl::Status DeletePolicy(const std::string& name_space) override {
    absl::MutexLock lock(&control_->mutex);
    control_->policies.erase(name_space);
    control_->policies_gone[name_space] = ++control_->policy_version;
    return absl::OkStatus();
  }
  absl::StatusOr<int64_t> PolicyVersion() override {
    absl::MutexLock lock(&control_->mutex);
    if (control_->away) return absl::UnavailableError("away");
    return control_->policy_version;
  }
  using UnavailableStore::CountAttempts;
  absl::StatusOr<std::vector<store::AttemptCount>> CountAttempts(
      const std::vector<store::AttemptQuery>& queries) override {
    absl::MutexLock lock(&control_->mutex);
    ++control_->attempt_looks;
    std::vector<store::AttemptCount> counts;
    for (const store::AttemptQuery& query : queries) {
      counts.push_back(control_->attempts[query.name_space]);
    }
    return counts;
  }
  absl::StatusOr<std::vector<std::string>> ListAttempted(const std::string& after,
                                                         int limit) override {
    absl::MutexLock lock(&control_->mutex);
    ++control_->attempt_looks;
    std::vector<std::string> namespaces;
    for (auto counted = control_->attempts.upper_bound(after);
         counted != control_->attempts.end() && static_cast<int>(namespaces.size()) < limit;
         ++counted) {
      namespaces.push_back(counted->first);
    }
    return namespaces;
  }
  absl::Status Tidy() override { return absl::OkStatus(); }
  absl::Status Ping() override {
    absl::MutexLock lock(&control_->mutex);
    return control_->away ? absl::UnavailableError("away") : absl::OkStatus();
  }
  int WriterLanes() const override { return 2; }

 private:
  absl::Status AwaitRecount(const store::GoOn& go_on) {
    absl::MutexLock lock(&control_->mutex);
    ++control_->recounting;
    absl::Status status;
    while (control_->hold_recount && status.ok()) {
      control_->mutex.Unlock();
      status = go_on ? go_on() : absl::OkStatus();
      std::this_thread::yield();
      control_->mutex.Lock();
    }
    --control_->recounting;
    return status;
  }

  std::vector<domain::Outcome> RunBatch(store::Batch& batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(control_->mutex) {
    batch.Run(control_->now);
    for (size_t i = 0; i < batch.keys().size(); ++i) {
      if (!batch.rows()[i].changed) continue;
      control_->tasks.erase(batch.keys()[i]);
      if (batch.rows()[i].after) control_->tasks.emplace(batch.keys()[i], *batch.rows()[i].after);
    }
    return batch.TakeOutcomes();
  }

  // In the order in which they are handed out: by priority, then by id.
  std::vector<domain::Task> Claimable(const std::string& name_space)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(control_->mutex) {
    std::vector<domain::Task> tasks;
    for (const auto& [key, task] : control_->tasks) {
      if (key.name_space == name_space && domain::Claimable(task)) tasks.push_back(task);
    }
    std::stable_sort(tasks.begin(), tasks.end(), [](const domain::Task& a, const domain::Task& b) {
      return a.priority > b.priority;
    });
    return tasks;
  }

  bool Ready(const domain::Task& task, const std::vector<std::string>& after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(control_->mutex) {
    return std::all_of(after.begin(), after.end(), [&](const std::string& name_space) {
      const auto before = control_->tasks.find({name_space, task.key.id});
      return before != control_->tasks.end() && before->second.status == domain::Status::kSucceeded;
    });
  }

  // Gives the orders whose token is known what it still holds.
  void Recall(const store::ClaimQuery& query, store::ClaimDeal& deal, store::ClaimAnswer& answer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(control_->mutex) {
    for (size_t i = 0; i < query.orders.size(); ++i) {
      const auto known = control_->handed_out.find(query.orders[i].token);
      if (known == control_->handed_out.end()) continue;
      deal.Close(i);
      answer.recalls[i] = store::ClaimRecall::kRecalled;
      for (const domain::TaskKey& key : known->second) {
        if (control_->held.contains(key)) {
          answer.recalls[i] = store::ClaimRecall::kHeld;
          break;
        }
        domain::Task& task = control_->tasks.at(key);
        if (task.lock == query.orders[i].token && task.status == domain::Status::kInProgress) {
          task.update_time += absl::Microseconds(1);
          answer.tasks[i].push_back(task);
        }
      }
    }
  }

  domain::Task StartFor(const store::ClaimQuery& query, const store::ClaimOrder& order,
                        const domain::Task& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(control_->mutex) {
    const domain::Command start{
        .key = task.key,
        .token = order.token,
        .action = domain::Start{.worker = order.worker, .lease = order.lease},
        .policy = query.policy};
    const domain::Command* pointer = &start;
    store::Batch batch({&pointer, 1});
    batch.Load(task);
    control_->handed_out[order.token].push_back(task.key);
    return *std::move(RunBatch(batch)[0].task);
  }

  const std::shared_ptr<Control> control_;
};

}  // namespace tracker::testing
