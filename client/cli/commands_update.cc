// The commands that change tasks from outside of the work: retry, ignore, reset, delete. With an ID
// they change one task, otherwise all that a filter matches.
#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "client/cli/grammar.h"
#include "client/cli/job.h"
#include "client/cli/progress.h"
#include "client/cli/text.h"

namespace tracker::cli {
namespace {

struct UpdateFlags {
  FilterFlags filter;
  int rate = 0;
  bool all = false, dry_run = false, yes = false, force = false;
};

struct Verb {
  BulkAction action;
  const char* name;
  // "12 tasks are ...".
  const char* done;
};

constexpr Verb kRetry = {BulkAction::kRetry, "retry", "pending again"};
constexpr Verb kIgnore = {BulkAction::kIgnore, "ignore", "ignored now"};
constexpr Verb kReset = {BulkAction::kReset, "reset", "pending again"};
constexpr Verb kDelete = {BulkAction::kDelete, "delete", "gone"};

std::string Tasks(int64_t count) {
  return absl::StrCat(Grouped(count), count == 1 ? " task" : " tasks");
}

BulkOptions OptionsOf(const Session& session, const Verb& verb, const UpdateFlags& flags) {
  BulkOptions options;
  options.name_space = session.name_space();
  options.action = verb.action;
  options.statuses = flags.filter.Statuses();
  options.id_prefix = flags.filter.prefix;
  options.worker = flags.filter.worker;
  options.error_text = flags.filter.error_text;
  options.error_fingerprint = flags.filter.error_fingerprint;
  options.max_per_second = flags.rate;
  options.force = flags.force;
  return options;
}

// What could be meant otherwise, or cannot be asked about.
void CheckUsage(const BulkOptions& options, const Verb& verb, const UpdateFlags& flags) {
  if (options.name_space.empty()) {
    throw UsageError{absl::StrCat("name the namespace: trackerctl ", verb.name,
                                  " NAMESPACE, or --namespace NAMESPACE")};
  }
  // A retry leaves alone what did not fail.
  if (flags.filter.empty() && !flags.all && verb.action != BulkAction::kRetry) {
    throw UsageError{absl::StrCat("this would ", verb.name, " every task of '",
                                  OneLine(options.name_space),
                                  "': add --all, or say which (--status, --prefix, --worker, "
                                  "--error-text, --error-fingerprint)")};
  }
  if (!flags.dry_run && !flags.yes && isatty(STDIN_FILENO) == 0) {
    throw UsageError{absl::StrCat("stdin is no terminal to ask on: add --yes to ", verb.name,
                                  " without being asked, or --dry-run to count what matches")};
  }
}

nlohmann::ordered_json ResultJson(const BulkOptions& options, const Verb& verb,
                                  const JobProgress& progress) {
  nlohmann::ordered_json json;
  json["namespace"] = options.name_space;
  json["action"] = verb.name;
  json["dry_run"] = options.dry_run;
  json["scanned"] = progress.scanned;
  json["matched"] = progress.matched;
  json["updated"] = progress.updated;
  json["skipped"] = progress.skipped;
  return json;
}

bool Confirmed(const Verb& verb, int64_t matched) {
  std::cerr << verb.name << " " << Tasks(matched) << "? [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

JobEnd Run(Session& session, const std::string& what, const BulkOptions& options) {
  return Watch(session, what, [&](const Operator::OnProgress& on_progress, std::stop_token stop) {
    return session.ops().BulkUpdate(options, on_progress, std::move(stop));
  });
}

int UpdateMany(Session& session, const Verb& verb, const UpdateFlags& flags) {
  BulkOptions options = OptionsOf(session, verb, flags);
  CheckUsage(options, verb, flags);
  options.dry_run = true;
  const JobEnd counted = Run(session, "counting", options);
  if (!counted.status.ok()) return ExplainEnd(session, counted);
  if (!session.json()) {
    const int64_t total = std::max(counted.progress.total, counted.progress.scanned);
    std::cout << Grouped(counted.progress.matched) << " of about " << Tasks(total)
              << (counted.progress.matched == 1 ? " matches\n" : " match\n") << std::flush;
  }
  if (flags.dry_run || counted.progress.matched == 0) {
    options.dry_run = flags.dry_run;
    if (session.json()) session.PrintLine(ResultJson(options, verb, counted.progress));
    return kDone;
  }
  if (!flags.yes && !Confirmed(verb, counted.progress.matched)) {
    std::cerr << "nothing was changed\n";
    return kDone;
  }
  options.dry_run = false;
  const JobEnd end = Run(session, verb.name, options);
  if (!end.status.ok()) return ExplainEnd(session, end);
  if (session.json()) {
    session.PrintLine(ResultJson(options, verb, end.progress));
  } else {
    std::cout << Tasks(end.progress.updated) << (end.progress.updated == 1 ? " is " : " are ")
              << verb.done;
    if (end.progress.skipped > 0) {
      std::cout << "; " << Grouped(end.progress.skipped)
                << " left alone: they changed meanwhile, or are held";
    }
    std::cout << "\n";
  }
  return kDone;
}

int UpdateOne(Session& session, const Verb& verb, const UpdateFlags& flags) {
  Client& client = session.client();
  switch (verb.action) {
    case BulkAction::kIgnore:
      return session.Report("done", client.Ignore(session.name_space(), session.id()));
    case BulkAction::kReset:
      return session.Report("reset", client.Reset(session.name_space(), session.id(), flags.force));
    case BulkAction::kDelete:
      return session.Report("deleted",
                            client.Delete(session.name_space(), session.id(), flags.force));
    case BulkAction::kRetry: break;
  }
  throw UsageError{"retry takes no ID; use reset"};
}

int Update(Session& session, const Verb& verb, const UpdateFlags& flags) {
  if (session.id().empty()) return UpdateMany(session, verb, flags);
  const bool filtered = !flags.filter.empty() || flags.all || flags.dry_run || flags.rate > 0;
  if (filtered) {
    throw UsageError{absl::StrCat("with an ID, ", verb.name,
                                  " changes that task alone: leave out the filters, or the ID")};
  }
  return UpdateOne(session, verb, flags);
}

void AddUpdate(Grammar& grammar, const Verb& verb, const char* what, const char* example) {
  auto flags = std::make_shared<UpdateFlags>();
  CLI::App* sub = grammar.Add(verb.name, what, example, [verb, flags](Session& session) {
    return Update(session, verb, *flags);
  });
  auto* positional = sub->add_option("NAMESPACE", grammar.flags().name_space, "The kind of work");
  if (verb.action != BulkAction::kRetry)
    sub->add_option("ID", grammar.flags().id, "One task; else all that the filters match");
  Grammar::Text(sub, "--namespace", &grammar.flags().name_space, "The same as NAMESPACE",
                "NAMESPACE")
      ->excludes(positional);
  Grammar::Filter(sub, &flags->filter);
  if (verb.action != BulkAction::kRetry)
    sub->add_flag("--all", flags->all, "Every task of the namespace, whatever it is");
  sub->add_option("--rate", flags->rate, "At most so many tasks a second; 0: no limit")
      ->check(CLI::Range(0, 1'000'000))
      ->type_name("N");
  sub->add_flag("--dry-run", flags->dry_run, "Only count what matches");
  sub->add_flag("--yes,-y", flags->yes, "Do not ask");
  if (verb.action != BulkAction::kRetry)
    sub->add_flag("--force", flags->force, "Also when a worker holds it; the worker is fenced out");
}

}  // namespace

void AddUpdateCommands(Grammar& grammar) {
  AddUpdate(grammar, kRetry, "Make failed and exhausted tasks pending, with no attempts counted",
            "trackerctl retry invoices --status failed --error-text timeout --rate 100");
  AddUpdate(grammar, kIgnore, "Take tasks out of the work for good",
            "trackerctl ignore invoices 2026-001");
  AddUpdate(grammar, kReset, "Make tasks pending again, with no attempts counted",
            "trackerctl reset invoices 2026-001");
  AddUpdate(grammar, kDelete, "Remove tasks", "trackerctl delete invoices --status succeeded");
}

}  // namespace tracker::cli
