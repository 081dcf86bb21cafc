// What trackerd does by itself in the background, by hand: admin expire, purge,
// check, repair.
#include <iostream>

#include "absl/strings/str_cat.h"
#include "client/cli/grammar.h"
#include "client/cli/job.h"
#include "client/cli/show.h"
#include "client/cli/text.h"

namespace tracker::cli {
namespace {

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

const char* FaultText(Fault fault) {
  switch (fault) {
    case Fault::kMissing: return "missing";
    case Fault::kOrphan: return "orphan";
    case Fault::kStale: return "stale";
    case Fault::kDuplicate: return "duplicate";
    case Fault::kMiscount: return "miscount";
    case Fault::kDamage: return "damage";
    case Fault::kUnknown: break;
  }
  return "unknown";
}

nlohmann::ordered_json ReportJson(const CheckReport& report, bool repair) {
  nlohmann::ordered_json json;
  json["scanned"] = report.scanned;
  if (repair) {
    json["repaired"] = report.repaired;
    json["skipped"] = report.skipped;
  }
  json["findings"] = nlohmann::ordered_json::array();
  for (const Finding& finding : report.findings) {
    nlohmann::ordered_json one;
    one["table"] = finding.table;
    one["fault"] = FaultText(finding.fault);
    one["count"] = finding.count;
    one["examples"] = finding.examples;
    json["findings"].push_back(std::move(one));
  }
  return json;
}

void PrintFindings(const CheckReport& report) {
  std::vector<std::vector<std::string>> rows = {{"TABLE", "FAULT", "COUNT", "EXAMPLES"}};
  for (const Finding& finding : report.findings) {
    std::string examples;
    for (const std::string& example : finding.examples)
      absl::StrAppend(&examples, examples.empty() ? "" : ", ", OneLine(example));
    rows.push_back(
        {OneLine(finding.table), FaultText(finding.fault), Grouped(finding.count), examples});
  }
  PrintTable(std::cout, rows, {false, false, true, false}, TerminalColumns());
}

// Whether anything is (still) wrong is the exit code.
int Compare(Session& session, bool repair) {
  CheckReport report;
  const JobEnd end =
      Watch(session, repair ? "repair" : "check",
            [&](const Operator::OnProgress& on_progress,
                std::stop_token stop) -> absl::StatusOr<JobProgress> {
              const auto progress_of = [](const CheckReport& told) {
                JobProgress progress{.scanned = told.scanned,
                                     .updated = told.repaired,
                                     .skipped = told.skipped,
                                     .total = told.total};
                for (const Finding& finding : told.findings) progress.matched += finding.count;
                return progress;
              };
              const auto tell = [&](const CheckReport& told) { on_progress(progress_of(told)); };
              auto done = repair ? session.ops().Repair(tell, std::move(stop))
                                 : session.ops().Check(tell, std::move(stop));
              if (!done.ok()) return done.status();
              report = *std::move(done);
              return progress_of(report);
            });
  if (!end.status.ok()) return ExplainEnd(session, end);
  const bool right = repair ? report.skipped == 0 : report.findings.empty();
  if (session.json()) {
    session.PrintLine(ReportJson(report, repair));
  } else if (report.findings.empty()) {
    std::cout << "all is right: " << Grouped(report.scanned) << " rows looked at\n";
  } else {
    PrintFindings(report);
    if (repair) {
      std::cout << Grouped(report.repaired) << " put right, " << Grouped(report.skipped)
                << " left\n";
    }
  }
  return right ? kDone : kRefused;
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

  grammar.AddTo(group, "check",
                "Compare counters and all else that is derived from the tasks with them; 1: they"
                " differ",
                "trackerctl admin check",
                [](Session& session) { return Compare(session, /*repair=*/false); });
  grammar.AddTo(group, "repair",
                "The same, and put right what is wrong while all servers go on; 1: some is left",
                "trackerctl admin repair",
                [](Session& session) { return Compare(session, /*repair=*/true); });
}

}  // namespace tracker::cli
