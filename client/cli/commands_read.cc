// The commands that only look: get, list, count, errors.
#include <algorithm>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "client/cli/grammar.h"
#include "client/cli/show.h"
#include "client/cli/text.h"

namespace tracker::cli {
namespace {

// How many lines of a table are aligned with each other.
constexpr size_t kTableRows = 1000;
// GroupErrors looks at up to 200,000 tasks.
constexpr absl::Duration kGrouping = absl::Seconds(30);

struct ListFlags {
  FilterFlags filter;
  std::string order = "newest", page_token;
  int limit = 100;
  bool all = false;
};

struct ErrorsFlags {
  std::vector<std::string> statuses;
  int limit = 10;
};

int Get(Session& session) {
  const auto task = session.client().Get(session.name_space(), session.id());
  if (!task.ok()) return session.Refused(task.status());
  if (session.json()) {
    session.PrintLine(TaskJson(*task));
  } else {
    PrintTask(std::cout, *task, absl::Now());
  }
  return kDone;
}

ListOptions OptionsOf(const Session& session, const ListFlags& flags) {
  ListOptions options;
  options.name_space = session.name_space();
  options.statuses = flags.filter.Statuses();
  options.id_prefix = flags.filter.prefix;
  options.worker = flags.filter.worker;
  options.error_text = flags.filter.error_text;
  options.error_fingerprint = flags.filter.error_fingerprint;
  options.order = flags.order == "oldest"    ? ListOrder::kOldestFirst
                  : flags.order == "updated" ? ListOrder::kUpdatedFirst
                                             : ListOrder::kNewestFirst;
  options.page_token = flags.page_token;
  return options;
}

// Pages may be short, even empty: a filter that leaves most tasks out ends them early.
int List(Session& session, const ListFlags& flags) {
  ListOptions options = OptionsOf(session, flags);
  const size_t limit = flags.all ? SIZE_MAX : static_cast<size_t>(flags.limit);
  size_t shown = 0;
  std::vector<Task> rows;
  const auto print_rows = [&] {
    if (!rows.empty()) PrintTasks(std::cout, rows, absl::Now());
    rows.clear();
  };
  do {
    options.page_size = static_cast<int>(std::min<size_t>(limit - shown, 1000));
    auto page = session.client().List(options);
    if (!page.ok()) {
      print_rows();
      return session.Refused(page.status());
    }
    shown += page->tasks.size();
    for (Task& task : page->tasks) {
      if (session.json()) {
        session.PrintLine(TaskJson(task));
      } else {
        rows.push_back(std::move(task));
      }
    }
    if (rows.size() >= kTableRows) print_rows();
    options.page_token = page->next_page_token;
  } while (!options.page_token.empty() && shown < limit);
  print_rows();
  if (!options.page_token.empty())
    std::cerr << "There are more: --all, or --page-token " << options.page_token << "\n";
  if (shown == 0 && !session.json()) std::cerr << "no tasks\n";
  return kDone;
}

int Count(Session& session) {
  const auto counts = session.client().Count(session.name_space());
  if (!counts.ok()) return session.Refused(counts.status());
  if (session.json()) {
    for (const StatusCount& count : *counts) {
      nlohmann::ordered_json json;
      json["namespace"] = count.name_space;
      json["status"] = TaskStatusName(count.status);
      json["count"] = count.count;
      session.PrintLine(json);
    }
  } else if (counts->empty()) {
    std::cerr << "no tasks\n";
  } else {
    PrintCounts(std::cout, *counts);
  }
  return kDone;
}

int Errors(Session& session, const ErrorsFlags& flags) {
  FilterFlags filter;
  filter.statuses = flags.statuses;
  const auto groups =
      session.ops(kGrouping).GroupErrors(session.name_space(), filter.Statuses(), flags.limit);
  if (!groups.ok()) return session.Refused(groups.status());
  if (session.json()) {
    for (const ErrorGroup& group : groups->groups) session.PrintLine(ErrorGroupJson(group));
    return kDone;
  }
  if (groups->groups.empty()) {
    std::cerr << "no errors\n";
    return kDone;
  }
  PrintErrorGroups(std::cout, groups->groups, absl::Now());
  std::cerr << "Of " << Grouped(groups->scanned) << " tasks with errors"
            << (groups->truncated ? ", the newest; older ones were not looked at" : "")
            << ".\nTo see a group's tasks:  " << session.asked().program << " list "
            << Quote(session.name_space()) << " --error-fingerprint "
            << groups->groups.front().fingerprint << "\n";
  return kDone;
}

}  // namespace

void AddReadCommands(Grammar& grammar) {
  CLI::App* sub = grammar.Add("get", "Show one task, with its data and errors",
                              "trackerctl get invoices 2026-001", Get);
  grammar.Names(sub);

  auto list = std::make_shared<ListFlags>();
  sub = grammar.Add("list", "Show the tasks of a namespace",
                    "trackerctl list invoices --status failed,exhausted --order updated",
                    [list](Session& session) { return List(session, *list); });
  grammar.Namespace(sub);
  Grammar::Filter(sub, &list->filter);
  sub->add_option("--order", list->order, "newest, oldest, or updated (what changed last first)")
      ->check(CLI::IsMember({"newest", "oldest", "updated"}))
      ->type_name("ORDER")
      ->capture_default_str();
  auto* limit = sub->add_option("--limit", list->limit, "How many")
                    ->check(CLI::Range(1, 1'000'000))
                    ->type_name("N")
                    ->capture_default_str();
  sub->add_flag("--all", list->all, "All of them")->excludes(limit);
  Grammar::Text(sub, "--page-token", &list->page_token, "Go on where an earlier list ended",
                "TOKEN");

  sub = grammar.Add("count", "Count tasks by namespace and status", "trackerctl count invoices",
                    Count);
  sub->add_option("NAMESPACE", grammar.flags().name_space, "Default: all");

  auto errors = std::make_shared<ErrorsFlags>();
  sub = grammar.Add("errors", "Show the most frequent errors of a namespace",
                    "trackerctl errors invoices --status failed,exhausted",
                    [errors](Session& session) { return Errors(session, *errors); });
  grammar.Namespace(sub);
  Grammar::Statuses(sub, &errors->statuses);
  sub->add_option("--limit", errors->limit, "How many groups")
      ->check(CLI::Range(1, 100))
      ->type_name("N")
      ->capture_default_str();
}

}  // namespace tracker::cli
