#include "tests/chaos/checker.h"

#include <algorithm>
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

}  // namespace

Verdict Check(const Acts& acts, const Policies& policies) {
  Verdict verdict;
  for (const auto& [key, of_task] : acts.by_task) {
    const domain::Policy& policy = *policies.at(key.name_space);
    ++verdict.tasks;
    for (const Act& act : of_task)
      ++(act.end == absl::InfiniteFuture() ? verdict.unanswered : verdict.answered);
    for (Violation& violation : CheckRules(of_task, policy))
      verdict.violations.push_back(std::move(violation));
    const WalkResult walked = WalkTask(of_task, policy);
    verdict.versions += walked.versions;
    verdict.assumed += walked.assumed;
    if (walked.unexplained) verdict.violations.push_back(ViolationOf(key, *walked.unexplained));
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
