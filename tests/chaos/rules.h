// What must hold of the answers about one task whatever their order was: rules that can be read off
// them, without the model. Each names the promise that is broken, which the walk (task_walk.h),
// which finds more, cannot.
#pragma once

#include <string>
#include <vector>

#include "tests/chaos/acts.h"

namespace tracker::chaos {

enum class Rule {
  // Two locks are live at once: another worker was given a task whose lease ran, and nothing that
  // anybody asked had ended it.
  kTwoLiveLocks,
  // One fence was given to two locks, or one lock has begun two attempts.
  kFenceOfTwoLocks,
  kLockOfTwoFences,
  // A later start of the same incarnation has no greater fence.
  kFenceFell,
  // An answer shows an older version than one that had been given before it was asked for.
  kVanished,
  // There is no such task, although it had been acknowledged and nobody had deleted it.
  kMissing,
  // A start took effect before it was asked for, or after it was answered.
  kOutOfTime,
  // The answers fit no order of the state machine's transitions.
  kUnexplained,
  // Seen at the end of a run: a lease that does not end, an entry or a counter that is not what the
  // tasks say.
  kLeftOver,
};

std::string RuleName(Rule rule);

struct Violation {
  Rule rule = Rule::kUnexplained;
  domain::TaskKey task;
  // What is wrong, in a sentence or two.
  std::string text;
  // The calls that show it, in the order of time: none of them is superfluous.
  std::vector<const Act*> history;
};

// The first violation of each rule.
std::vector<Violation> CheckRules(const std::vector<Act>& acts, const domain::Policy& policy);

}  // namespace tracker::chaos
