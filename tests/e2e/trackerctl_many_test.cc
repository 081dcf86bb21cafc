// trackerctl for operators: claims, policies, updates of many tasks, errors in groups, and what
// trackerd does in the background, by hand.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/e2e/trackerctl_world.h"

namespace tracker::e2e {
namespace {

using nlohmann::json;

class TrackerctlMany : public TrackerctlWorld {
 protected:
  // A task that has failed so, with no attempt left.
  void Exhaust(const std::string& id, const std::string& message) {
    const std::string lock = Line({"start", "jobs", id, "--create", "--worker", "w"})["lock"];
    Line({"fail", "jobs", id, lock, "--message", message, "--no-retry"});
  }

  static void ExpectHas(const std::string& text, const std::string& part) {
    EXPECT_TRUE(absl::StrContains(text, part)) << part << " is not in:\n" << text;
  }
};

TEST_P(TrackerctlMany, ClaimTakesTheNextTasks) {
  Serve();
  Line({"create", "jobs", "low"});
  Line({"create", "jobs", "high", "--priority", "5"});
  const json first = Line({"claim", "jobs", "--worker", "me", "--lease", "1m"});
  EXPECT_EQ(first["id"], "high");
  EXPECT_EQ(first["worker"], "me");
  EXPECT_EQ(Line({"succeed", "jobs", "high", first["lock"]})["status"], "succeeded");
  const Ended second = Run({"claim", "jobs", "--limit", "10"});
  EXPECT_EQ(second.exit_code, kDone) << second.err;
  ExpectHas(second.out, "started jobs low");
  ExpectHas(second.out, "trackerctl --server");
  const Ended none = Run({"claim", "jobs", "--wait", "100ms"});
  EXPECT_EQ(none.exit_code, kDone);
  EXPECT_EQ(none.out, "");
  ExpectHas(none.err, "no tasks");
}

TEST_P(TrackerctlMany, StepsWaitForTheirPredecessors) {
  Serve();
  Line({"create", "load", "1"});
  const Ended early = Run({"start", "load", "1", "--after", "extract,transform"});
  EXPECT_EQ(early.exit_code, kRefused);
  ExpectHas(early.err, "TASK_NOT_READY");
  ExpectHas(early.err, "extract");
  EXPECT_EQ(Lines({"claim", "load", "--after", "extract"}).size(), 0u);
  const std::string lock = Line({"start", "extract", "1", "--create"})["lock"];
  Line({"succeed", "extract", "1", lock});
  EXPECT_EQ(Line({"claim", "load", "--after", "extract"})["id"], "1");
}

TEST_P(TrackerctlMany, PolicySetChangesOnlyWhatIsNamed) {
  Serve();
  EXPECT_EQ(Line({"policy", "get", "jobs"})["update_time"], nullptr) << "these are the defaults";
  json policy = Line({"policy", "set", "jobs", "--max-attempts", "1", "--retention", "30d"});
  EXPECT_EQ(policy["max_attempts"], 1);
  EXPECT_EQ(policy["lease_ms"], 900'000);
  policy = Line({"policy", "set", "jobs", "--lease", "1m", "--backoff-initial", "10s"});
  EXPECT_EQ(policy["max_attempts"], 1);
  EXPECT_EQ(policy["lease_ms"], 60'000);
  EXPECT_EQ(policy["backoff"]["initial_ms"], 10'000);
  EXPECT_EQ(policy["retention_ms"], 30LL * 86'400'000);
  policy = Line({"policy", "set", "jobs", "--retention", "forever", "--pause-on-failure", "0.9"});
  EXPECT_EQ(policy["retention_ms"], nullptr);
  EXPECT_EQ(policy["pause_on_failure"]["share"], 0.9);
  EXPECT_EQ(Lines({"policy", "list"}).size(), 1u);

  // It holds for what comes.
  const json task = Line({"start", "jobs", "a", "--create"});
  EXPECT_EQ(task["max_attempts"], 1);
  EXPECT_EQ(Line({"fail", "jobs", "a", task["lock"]})["status"], "exhausted");

  EXPECT_EQ(Run({"policy", "delete", "jobs"}).exit_code, kDone);
  EXPECT_EQ(Line({"policy", "get", "jobs"})["max_attempts"], 3);
  EXPECT_EQ(Lines({"policy", "list"}).size(), 0u);
}

TEST_P(TrackerctlMany, PolicyThatIsWrongIsRefusedByName) {
  Serve();
  EXPECT_EQ(Run({"policy", "set", "jobs"}).exit_code, kUsage);
  EXPECT_EQ(Run({"policy", "set", "jobs", "--lease", "soon"}).exit_code, kUsage);
  EXPECT_EQ(Run({"policy", "set", "jobs", "--pause-on-failure", "often"}).exit_code, kUsage);
  const Ended refused = Run({"policy", "set", "jobs", "--backoff-jitter", "2"});
  EXPECT_EQ(refused.exit_code, kRefused);
  ExpectHas(refused.err, "policy.backoff.jitter");
}

TEST_P(TrackerctlMany, PauseTellsWorkersWhyUntilItIsResumed) {
  Serve();
  Line({"create", "jobs", "a"});
  EXPECT_EQ(Line({"pause", "jobs", "--reason", "the bank is closed"})["paused"], true);
  const Ended refused = Run({"start", "jobs", "a"});
  EXPECT_EQ(refused.exit_code, kRefused);
  ExpectHas(refused.err, "NAMESPACE_PAUSED");
  ExpectHas(refused.err, "the bank is closed");
  ExpectHas(refused.err, "resume jobs");
  const json resumed = Line({"resume", "jobs"});
  EXPECT_EQ(resumed["paused"], false);
  EXPECT_EQ(resumed["pause_reason"], "");
  EXPECT_EQ(Line({"start", "jobs", "a"})["attempts"], 1);
}

TEST_P(TrackerctlMany, RetryByFilterCountsFirstAndLeavesTheOthersAlone) {
  Serve();
  for (int i = 0; i < 5; ++i) Exhaust(absl::StrCat("t", i), "Timeout after 30 s");
  Exhaust("other", "no such customer");
  Line({"create", "jobs", "fresh"});

  const Ended unasked = Run({"retry", "jobs", "--status", "exhausted"});
  EXPECT_EQ(unasked.exit_code, kUsage);
  ExpectHas(unasked.err, "--yes");

  const Ended counted = Run({"retry", "--namespace", "jobs", "--status", "exhausted",
                             "--error-text", "timeout", "--dry-run"});
  EXPECT_EQ(counted.exit_code, kDone) << counted.err;
  ExpectHas(counted.out, "5 of about ");
  ExpectHas(counted.out, " tasks match");
  EXPECT_EQ(Lines({"list", "jobs", "--status", "exhausted"}).size(), 6u) << "only counted";

  const json done = Line({"retry", "jobs", "--status", "exhausted", "--error-text", "timeout",
                          "--rate", "1000", "--yes"});
  EXPECT_EQ(done["matched"], 5);
  EXPECT_EQ(done["updated"], 5);
  EXPECT_EQ(done["skipped"], 0);
  EXPECT_EQ(Lines({"list", "jobs", "--status", "exhausted"}).size(), 1u);
  EXPECT_EQ(Line({"get", "jobs", "t0"})["attempts"], 0);
  EXPECT_EQ(Line({"retry", "jobs", "--error-text", "nowhere", "--yes"})["matched"], 0);
}

TEST_P(TrackerctlMany, DeleteByFilterWantsAFilterAndSparesWhatIsHeld) {
  Serve();
  for (const char* id : {"a1", "a2", "b1"}) Line({"create", "jobs", id});
  const Ended all = Run({"delete", "jobs", "--yes"});
  EXPECT_EQ(all.exit_code, kUsage);
  ExpectHas(all.err, "--all");
  Line({"start", "jobs", "a2"});
  EXPECT_EQ(Line({"delete", "jobs", "--prefix", "a", "--yes"})["updated"], 1);
  EXPECT_EQ(Lines({"list", "jobs"}).size(), 2u);
  EXPECT_EQ(Line({"ignore", "jobs", "--prefix", "b", "--yes"})["updated"], 1);
  EXPECT_EQ(Line({"get", "jobs", "b1"})["status"], "ignored");
  Line({"delete", "jobs", "--all", "--force", "--yes"});
  EXPECT_EQ(Lines({"list", "jobs"}).size(), 0u);
}

TEST_P(TrackerctlMany, ErrorsAreGroupedAndAGroupCanBeListedAndRetried) {
  Serve();
  Exhaust("a", "page 7 of 'a.pdf' cannot be read");
  Exhaust("b", "page 12 of 'b.pdf' cannot be read");
  Exhaust("c", "no such customer");
  const std::vector<json> groups = Lines({"errors", "jobs"});
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0]["count"], 2);
  EXPECT_EQ(groups[1]["example"], "no such customer");
  const std::string fingerprint = groups[0]["fingerprint"];
  EXPECT_EQ(Lines({"list", "jobs", "--error-fingerprint", fingerprint}).size(), 2u);
  EXPECT_EQ(Lines({"list", "jobs", "--error-text", "CUSTOMER"}).size(), 1u);
  const Ended shown = Run({"errors", "jobs"});
  ExpectHas(shown.out, "FINGERPRINT");
  ExpectHas(shown.out, fingerprint);
  // And tried again, by itself.
  EXPECT_EQ(Line({"retry", "jobs", "--error-fingerprint", fingerprint, "--yes"})["updated"], 2);
  EXPECT_EQ(Line({"get", "jobs", "a"})["status"], "pending");
  EXPECT_EQ(Line({"get", "jobs", "c"})["status"], "exhausted");
}

TEST_P(TrackerctlMany, WhatIsStoppedCanBeDoneByHand) {
  Serve({"--no-reaper", "--no-purge"});
  Line({"policy", "set", "jobs", "--retention", "1s"});
  Line({"start", "jobs", "crashed", "--create", "--lease", "100ms"});
  Line({"create", "jobs", "old"});
  Line({"ignore", "jobs", "old"});
  EXPECT_TRUE(Await([&] { return Line({"admin", "expire", "--dry-run"})["matched"] == 1; }));
  EXPECT_EQ(Line({"get", "jobs", "crashed"})["status"], "in_progress") << "no reaper runs";
  EXPECT_EQ(Line({"admin", "expire"})["updated"], 1);
  EXPECT_EQ(Line({"get", "jobs", "crashed"})["status"], "failed");

  EXPECT_TRUE(Await([&] { return Line({"admin", "purge", "--dry-run"})["matched"] == 1; }));
  EXPECT_EQ(Line({"admin", "purge", "--namespace", "others"})["updated"], 0);
  EXPECT_EQ(Line({"admin", "purge", "--namespace", "jobs"})["updated"], 1);
  EXPECT_EQ(Run({"get", "jobs", "old"}).exit_code, kRefused);
}

TEST_P(TrackerctlMany, WhatIsDerivedIsCheckedAndRepaired) {
  Serve();
  for (const char* id : {"a", "b", "c"}) Line({"create", "jobs", id});
  Line({"start", "jobs", "a"});
  const json check = Line({"admin", "check"});
  EXPECT_GE(check["scanned"], 3);
  EXPECT_EQ(check["findings"], json::array());
  ExpectHas(Run({"admin", "check"}).out, "all is right: ");
  ExpectHas(Run({"admin", "repair"}).out, "all is right: ");
}

INSTANTIATE_TEST_SUITE_P(Stores, TrackerctlMany, BothKinds(), KindName);

}  // namespace
}  // namespace tracker::e2e
