// Policies of namespaces: get, set, list, delete, and the way to pause and resume one.
#include <iostream>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/grammar.h"
#include "client/cli/show.h"
#include "client/cli/text.h"

namespace tracker::cli {
namespace {

// What is not named stays as it is.
struct PolicyFlags {
  std::string lease, backoff_initial, backoff_max, retention, pause_on_failure, pause_window;
  std::optional<int> max_attempts, pause_min_attempts;
  std::optional<double> backoff_multiplier, backoff_jitter;

  bool empty() const {
    return lease.empty() && backoff_initial.empty() && backoff_max.empty() && retention.empty() &&
           pause_on_failure.empty() && pause_window.empty() && !max_attempts &&
           !pause_min_attempts && !backoff_multiplier && !backoff_jitter;
  }
};

int Show(const Session& session, const absl::StatusOr<Policy>& policy) {
  if (!policy.ok()) return session.Refused(policy.status());
  if (session.json()) {
    session.PrintLine(PolicyJson(*policy));
  } else {
    PrintPolicy(std::cout, *policy, absl::Now());
  }
  return kDone;
}

int Get(Session& session) { return Show(session, session.ops().GetPolicy(session.name_space())); }

template <typename T>
void Take(const std::optional<T>& given, T* value) {
  if (given) *value = *given;
}

void TakeDuration(const char* flag, const std::string& given, absl::Duration* value) {
  if (!given.empty()) *value = Duration(flag, given);
}

void SetPauseOnFailure(const PolicyFlags& flags, Policy* policy) {
  if (flags.pause_on_failure == "never") {
    policy->pause_on_failure.reset();
    return;
  }
  const bool named = !flags.pause_on_failure.empty() || !flags.pause_window.empty() ||
                     flags.pause_min_attempts.has_value();
  if (!named) return;
  if (!policy->pause_on_failure) policy->pause_on_failure.emplace();
  PauseOnFailure& pause = *policy->pause_on_failure;
  if (!flags.pause_on_failure.empty() && !absl::SimpleAtod(flags.pause_on_failure, &pause.share)) {
    throw UsageError{absl::StrCat("--pause-on-failure: '", OneLine(flags.pause_on_failure),
                                  "' is neither a share, such as 0.5, nor never")};
  }
  TakeDuration("--pause-window", flags.pause_window, &pause.window);
  Take(flags.pause_min_attempts, &pause.min_attempts);
}

void Change(const PolicyFlags& flags, Policy* policy) {
  TakeDuration("--lease", flags.lease, &policy->lease);
  Take(flags.max_attempts, &policy->max_attempts);
  TakeDuration("--backoff-initial", flags.backoff_initial, &policy->backoff.initial);
  Take(flags.backoff_multiplier, &policy->backoff.multiplier);
  TakeDuration("--backoff-max", flags.backoff_max, &policy->backoff.max);
  Take(flags.backoff_jitter, &policy->backoff.jitter);
  if (flags.retention == "forever") {
    policy->retention.reset();
  } else if (!flags.retention.empty()) {
    policy->retention = Duration("--retention", flags.retention);
  }
  SetPauseOnFailure(flags, policy);
}

// Reads the policy, changes it, and writes it back.
template <typename Changes>
int GetAndSet(Session& session, const Changes& change) {
  auto policy = session.ops().GetPolicy(session.name_space());
  if (!policy.ok()) return session.Refused(policy.status());
  change(&*policy);
  return Show(session, session.ops().SetPolicy(*policy));
}

int Set(Session& session, const PolicyFlags& flags) {
  if (flags.empty()) throw UsageError{"policy set: name what is to be set, for instance --lease"};
  Policy checked;
  Change(flags, &checked);  // What is written wrongly is said before anything is asked.
  return GetAndSet(session, [&](Policy* policy) { Change(flags, policy); });
}

int List(Session& session) {
  const auto policies = session.ops().ListPolicies();
  if (!policies.ok()) return session.Refused(policies.status());
  if (session.json()) {
    for (const Policy& policy : *policies) session.PrintLine(PolicyJson(policy));
  } else if (policies->empty()) {
    std::cerr << "no policies: the defaults hold everywhere\n";
  } else {
    PrintPolicies(std::cout, *policies);
  }
  return kDone;
}

int Delete(Session& session) {
  const absl::Status status = session.ops().DeletePolicy(session.name_space());
  if (!status.ok()) return session.Refused(status);
  if (!session.json())
    std::cout << "the defaults hold for " << OneLine(session.name_space()) << "\n";
  return kDone;
}

int Pause(Session& session, const std::string& reason) {
  return GetAndSet(session, [&](Policy* policy) {
    policy->paused = true;
    policy->pause_reason = reason;
  });
}

int Resume(Session& session) {
  return GetAndSet(session, [](Policy* policy) {
    policy->paused = false;
    policy->pause_reason.clear();
  });
}

void AddSet(Grammar& grammar, CLI::App* group) {
  auto flags = std::make_shared<PolicyFlags>();
  CLI::App* sub = grammar.AddTo(
      group, "set", "Change what is named of a namespace's policy",
      "trackerctl policy set invoices --max-attempts 5 --backoff-initial 10s --retention 30d",
      [flags](Session& session) { return Set(session, *flags); });
  grammar.Namespace(sub);
  const auto text = [&](const char* name, std::string* value, const char* what,
                        const char* type = "DURATION") {
    Grammar::Text(sub, name, value, what, type);
  };
  text("--lease", &flags->lease, "How long a lock holds without a heartbeat");
  sub->add_option("--max-attempts", flags->max_attempts, "How often a task is tried, 1 to 1000")
      ->type_name("N");
  text("--backoff-initial", &flags->backoff_initial, "The wait before the first retry");
  sub->add_option("--backoff-multiplier", flags->backoff_multiplier,
                  "By how much the wait grows from retry to retry, 1 to 100")
      ->type_name("X");
  text("--backoff-max", &flags->backoff_max, "The longest wait");
  sub->add_option("--backoff-jitter", flags->backoff_jitter,
                  "The share by which a wait may be shorter at random, 0 to 1")
      ->type_name("X");
  text("--retention", &flags->retention, "How long finished tasks are kept", "DURATION|forever");
  text("--pause-on-failure", &flags->pause_on_failure,
       "The share of attempts that went wrong, at which the namespace pauses itself",
       "SHARE|never");
  text("--pause-window", &flags->pause_window, "Over how long that share is taken, 10s to 1h");
  sub->add_option("--pause-min-attempts", flags->pause_min_attempts,
                  "Of at least how many attempts")
      ->type_name("N");
}

}  // namespace

void AddPolicyCommands(Grammar& grammar) {
  CLI::App* group = grammar.AddGroup("policy", "What holds for the tasks of a namespace");
  grammar.Namespace(grammar.AddTo(group, "get", "Show a namespace's policy",
                                  "trackerctl policy get invoices", Get));
  AddSet(grammar, group);
  grammar.AddTo(group, "list", "Show all policies that were set", "trackerctl policy list", List);
  grammar.Namespace(grammar.AddTo(group, "delete", "Let the defaults hold again",
                                  "trackerctl policy delete invoices", Delete));

  auto reason = std::make_shared<std::string>();
  CLI::App* sub = grammar.Add("pause", "Let nothing of a namespace be started or claimed",
                              "trackerctl pause invoices --reason 'the bank is closed'",
                              [reason](Session& session) { return Pause(session, *reason); });
  grammar.Namespace(sub);
  Grammar::Text(sub, "--reason", reason.get(), "Why; workers are told", "TEXT");
  grammar.Namespace(
      grammar.Add("resume", "End a pause, whoever began it", "trackerctl resume invoices", Resume));
}

}  // namespace tracker::cli
