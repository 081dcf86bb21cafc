// What trackerd does by itself in the background, by hand: admin expire, purge, check.
#include <iostream>

#include "absl/strings/str_cat.h"
#include "client/cli/grammar.h"
#include "client/cli/job.h"
#include "client/cli/show.h"
#include "client/cli/text.h"

namespace tracker::cli {
namespace {

// A recount reads the whole table.
constexpr absl::Duration kRecount = absl::Minutes(10);

// `found` and `done` end "12 tasks ...".
int Finish(const Session& session, const JobEnd& end, bool dry_run, const char* found,
           const char* done) {
  if (!end.status.ok()) return ExplainEnd(session, end);
  if (session.json()) {
    nlohmann::ordered_json json;
    json["dry_run"] = dry_run;
    json["matched"] = end.progress.matched;
    json["updated"] = end.progress.updated;
    session.PrintLine(json);
  } else {
    const int64_t count = dry_run ? end.progress.matched : end.progress.updated;
    std::cout << Grouped(count) << (count == 1 ? " task " : " tasks ") << (dry_run ? found : done)
              << "\n";
  }
  return kDone;
}

int Expire(Session& session, bool dry_run) {
  const JobEnd end =
      Watch(session, "expire", [&](const Operator::OnProgress& on_progress, std::stop_token stop) {
        return session.ops().Expire(dry_run, on_progress, std::move(stop));
      });
  return Finish(session, end, dry_run, "with a lease or a wait that is over", "seen to");
}

int Purge(Session& session, bool dry_run) {
  const JobEnd end =
      Watch(session, "purge", [&](const Operator::OnProgress& on_progress, std::stop_token stop) {
        return session.ops().Purge(session.name_space(), dry_run, on_progress, std::move(stop));
      });
  return Finish(session, end, dry_run, "past their retention", "deleted");
}

nlohmann::ordered_json CheckJson(const CountCheck& check) {
  nlohmann::ordered_json json;
  json["tasks"] = check.tasks;
  json["mismatches"] = nlohmann::ordered_json::array();
  for (const CountMismatch& mismatch : check.mismatches) {
    nlohmann::ordered_json one;
    one["namespace"] = mismatch.name_space;
    one["status"] = TaskStatusName(mismatch.status);
    one["counted"] = mismatch.counted;
    one["actual"] = mismatch.actual;
    json["mismatches"].push_back(std::move(one));
  }
  return json;
}

int Check(Session& session) {
  const auto check = session.ops(kRecount).CheckCounts();
  if (!check.ok()) return session.Refused(check.status());
  if (session.json()) {
    session.PrintLine(CheckJson(*check));
  } else if (check->mismatches.empty()) {
    std::cout << "all counters are right: " << Grouped(check->tasks) << " tasks\n";
  } else {
    std::vector<std::vector<std::string>> rows = {{"NAMESPACE", "STATUS", "COUNTED", "ACTUAL"}};
    for (const CountMismatch& mismatch : check->mismatches) {
      rows.push_back({OneLine(mismatch.name_space), TaskStatusName(mismatch.status),
                      Grouped(mismatch.counted), Grouped(mismatch.actual)});
    }
    PrintTable(std::cout, rows, {false, false, true, true}, 0);
  }
  return check->mismatches.empty() ? kDone : kRefused;
}

}  // namespace

void AddAdminCommands(Grammar& grammar) {
  CLI::App* group = grammar.AddGroup("admin", "What trackerd does in the background, by hand");
  auto dry_run = std::make_shared<bool>(false);
  CLI::App* sub = grammar.AddTo(group, "expire", "End the leases and waits that are over",
                                "trackerctl admin expire --dry-run",
                                [dry_run](Session& session) { return Expire(session, *dry_run); });
  sub->add_flag("--dry-run", *dry_run, "Only count them");

  sub = grammar.AddTo(group, "purge", "Delete finished tasks past their namespace's retention",
                      "trackerctl admin purge --namespace invoices --dry-run",
                      [dry_run](Session& session) { return Purge(session, *dry_run); });
  Grammar::Text(sub, "--namespace", &grammar.flags().name_space,
                "Only of this one; default: all that have a retention", "NAMESPACE");
  sub->add_flag("--dry-run", *dry_run, "Only count them");

  grammar.AddTo(group, "check", "Recount all tasks and compare with the counters; 1: they differ",
                "trackerctl admin check", Check);
}

}  // namespace tracker::cli
