#include "tests/chaos/checker.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/encode.h"
#include "tests/chaos/match.h"
#include "tests/chaos/task_walk.h"

namespace tracker::chaos {
namespace {

// States before what is unexplained that are shown; where there are more, more is open.
constexpr size_t kShownStates = 3;

std::string ShowState(const State& state) {
  if (!state.task) return "no such task";
  v1::Task shown;
  server::EncodeTask(*state.task, absl::UnixEpoch(), &shown);
  if (!server::EncodePayload(*state.task, &shown).ok()) return "unreadable data";
  return absl::StrCat(Show(shown), ", the last lock ", state.task->lock.substr(0, 8));
}

Violation ViolationOf(const domain::TaskKey& key, const Unexplained& unexplained) {
  Violation violation{.rule = Rule::kUnexplained, .task = key, .text = unexplained.why};
  for (size_t i = 0; i < std::min(kShownStates, unexplained.before.size()); ++i) {
    absl::StrAppend(&violation.text, "\n  the task before", i == 0 ? "" : " (or so)", ": ",
                    ShowState(unexplained.before[i]));
  }
  if (!unexplained.last.empty()) violation.history.push_back(unexplained.last.back());
  violation.history.insert(violation.history.end(), unexplained.acts.begin(),
                           unexplained.acts.end());
  return violation;
}

Lives TakeLivesApart(const std::vector<Act>& acts) {
  std::map<absl::Time, std::vector<const Act*>> by_create_time;
  for (const Act& act : acts) {
    if (act.shown) by_create_time[TimeOf(act.shown->create_time())].push_back(&act);
  }
  Lives lives;
  std::set<const Act*> taken;
  for (const auto& [created, of_one] : by_create_time) {
    const bool one_version =
        std::all_of(of_one.begin(), of_one.end(), [created = created](const Act* act) {
          return TimeOf(act->shown->update_time()) == created;
        });
    const bool deleted = std::any_of(of_one.begin(), of_one.end(), [](const Act* act) {
      return act->told == Told::kDone &&
             std::holds_alternative<domain::Delete>(act->command.action);
    });
    if (!one_version || !deleted) continue;
    taken.insert(of_one.begin(), of_one.end());
    std::vector<Act>& life = lives.within_a_commit.emplace_back();
    for (const Act& act : acts) {
      const bool of_it = std::find(of_one.begin(), of_one.end(), &act) != of_one.end();
      if (of_it || act.told == Told::kNothing) life.push_back(act);
    }
  }
  std::set<const Exchange*> replaced;
  for (const Act& act : acts) {
    if (!taken.contains(&act)) {
      lives.rest.push_back(act);
    } else if (replaced.insert(act.exchange).second) {
      Act none = act;
      none.told = Told::kRefused;
      none.reason = "TASK_NOT_FOUND";
      none.shown.reset();
      lives.rest.push_back(std::move(none));
    }
  }
  return lives;
}

}  // namespace

Verdict Check(const Acts& acts, const Policies& policies) {
  Verdict verdict;
  for (const auto& [key, of_task] : acts.by_task) {
    const domain::Policy& policy = *policies.at(key.name_space);
    ++verdict.tasks;
    for (const Act& act : of_task)
      ++(act.end == absl::InfiniteFuture() ? verdict.unanswered : verdict.answered);
    const Lives& lives = verdict.lives.emplace_back(TakeLivesApart(of_task));
    for (Violation& violation : CheckRules(lives.rest, policy))
      verdict.violations.push_back(std::move(violation));
    const auto walk = [&, key = key](const std::vector<Act>& life) {
      const WalkResult walked = WalkTask(life, policy);
      verdict.versions += walked.versions;
      verdict.assumed += walked.assumed;
      if (!walked.unexplained) return;
      (walked.unexplained->undecided ? verdict.undecided : verdict.violations)
          .push_back(ViolationOf(key, *walked.unexplained));
    };
    walk(lives.rest);
    for (const std::vector<Act>& life : lives.within_a_commit) walk(life);
  }
  return verdict;
}

std::string Show(const Violation& violation) {
  std::string text = absl::StrCat(RuleName(violation.rule), ": ", violation.task.name_space, "/",
                                  violation.task.id, ": ", violation.text, "\n");
  for (const Act* act : violation.history) absl::StrAppend(&text, "  ", Show(*act), "\n");
  return text;
}

}  // namespace tracker::chaos
