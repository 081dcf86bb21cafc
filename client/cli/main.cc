// trackerctl: Tracker from the command line. Each command is a struct of its flags and a function
// on the client; this file parses, show.h and refusal.h print.
#include <sys/types.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "client/cli/refusal.h"
#include "client/cli/show.h"
#include "client/cli/text.h"
#include "tracker/client.h"

namespace tracker::cli {
namespace {

constexpr char kDefaultServer[] = "127.0.0.1:7070";

// All flags; each command uses its own.
struct Flags {
  std::string server = kDefaultServer;
  std::string timeout = "5s";
  bool json = false;

  std::string name_space, id, lock;
  std::string data, worker, lease, delay, retry_delay, message, traceback;
  std::string available_in, available_at;
  int priority = 0, max_attempts = 0;
  bool allow_existing = false, ignore_lock = false, force = false, create = false;
  bool no_retry = false;

  std::vector<std::string> statuses;
  std::string prefix, order = "newest", page_token;
  int limit = 100;
  bool all = false;
};

// What is wrong with the command line; ends as kUsage.
struct UsageError {
  std::string message;
};

absl::Duration Duration(const char* flag, const std::string& text) {
  const auto duration = ParseDuration(text);
  if (!duration)
    throw UsageError{absl::StrCat(flag, ": '", OneLine(text),
                                  "' is no duration; write 90s, 15m, 1h30m, 250ms or 2d")};
  return *duration;
}

std::optional<absl::Duration> OptionalDuration(const char* flag, const std::string& text) {
  if (text.empty()) return std::nullopt;
  return Duration(flag, text);
}

// The text itself, or with @FILE the file's, or with - what stdin has.
std::string TextOrFile(const char* flag, const std::string& text) {
  if (text == "-")
    return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  if (!text.starts_with('@')) return text;
  std::ifstream file(text.substr(1), std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file)
    throw UsageError{absl::StrCat(flag, ": cannot read the file '", OneLine(text.substr(1)), "'")};
  return content;
}

std::optional<std::string> Data(const std::string& flag) {
  if (flag.empty()) return std::nullopt;
  std::string text = TextOrFile("--data", flag);
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) {
    throw UsageError{absl::StrCat(
        "--data: ", json.is_discarded() ? "this is not JSON" : "this JSON is no object",
        "; write for instance '{\"pages\": 3}', @FILE, or - for stdin")};
  }
  return text;
}

std::optional<absl::Time> AvailableTime(const Flags& flags) {
  if (!flags.available_in.empty())
    return absl::Now() + Duration("--available-in", flags.available_in);
  if (flags.available_at.empty()) return std::nullopt;
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, flags.available_at, &time, &error)) {
    throw UsageError{absl::StrCat("--available-at: '", OneLine(flags.available_at),
                                  "' is no time; write for instance 2026-01-31T18:00:00Z")};
  }
  return time;
}

// One run of the program: what is needed beside the flags of the command.
struct Session {
  const Flags& flags;
  std::shared_ptr<Client> client;
  Asked asked;

  int Refused(const absl::Status& status) const { return ExplainRefusal(status, asked); }

  static void PrintLine(const nlohmann::ordered_json& json) {
    std::cout << json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)
              << "\n";
  }

  // "created  jobs  a: pending", or the task as JSON.
  int Report(const char* done, const absl::StatusOr<Task>& task) const {
    if (!task.ok()) return Refused(task.status());
    if (flags.json) {
      PrintLine(TaskJson(*task));
    } else {
      std::cout << done << " " << OneLine(task->name_space) << " " << OneLine(task->id) << ": "
                << TaskStatusName(task->status) << ", attempt " << task->attempts << " of "
                << task->max_attempts << "\n";
    }
    return kDone;
  }
};

int Create(Session& session) {
  const Flags& flags = session.flags;
  NewTask task{flags.name_space, flags.id};
  task.data = Data(flags.data).value_or("");
  task.priority = flags.priority;
  task.available_time = AvailableTime(flags);
  task.max_attempts = flags.max_attempts;
  task.allow_existing = flags.allow_existing;
  return session.Report(flags.allow_existing ? "there is" : "created",
                        session.client->Create(task));
}

int Start(Session& session) {
  const Flags& flags = session.flags;
  StartOptions options;
  options.lease = OptionalDuration("--lease", flags.lease);
  options.worker = flags.worker;
  options.ignore_lock = flags.ignore_lock;
  options.force = flags.force;
  options.create_if_missing = flags.create;
  auto guard = session.client->Start(flags.name_space, flags.id, options);
  if (!guard.ok()) return session.Refused(guard.status());
  const Task task = guard->task();
  const std::string lock = std::move(*guard).Detach();
  if (flags.json) {
    auto json = TaskJson(task);
    json["lock"] = lock;
    session.PrintLine(json);
    return kDone;
  }
  const std::string lease = Short(task.lease_remaining.value_or(absl::ZeroDuration()));
  const auto next = [&](const char* command, const char* more) {
    return absl::StrCat(session.asked.program, " ", command, " ", Quote(task.name_space), " ",
                        Quote(task.id), " ", lock, more);
  };
  std::cout << "started " << OneLine(task.name_space) << " " << OneLine(task.id) << ": attempt "
            << task.attempts << " of " << task.max_attempts << ", fence " << task.fence
            << ", lease " << lease << "\nlock    " << lock << "\n";
  if (task.data != "{}") std::cout << "data    " << OneLine(task.data) << "\n";
  std::cout << "\nWithin " << lease << ", one of:\n  " << next("succeed", "") << "\n  "
            << next("fail", " --message 'what went wrong'") << "\n  " << next("heartbeat", "")
            << "\n";
  return kDone;
}

int Heartbeat(Session& session) {
  const Flags& flags = session.flags;
  const auto task =
      session.client->Heartbeat(flags.name_space, flags.id, flags.lock,
                                OptionalDuration("--lease", flags.lease), Data(flags.data));
  const int code = session.Report("renewed", task);
  if (code == kDone && !flags.json && task->lease_remaining)
    std::cout << "lease   " << Short(*task->lease_remaining) << "\n";
  return code;
}

int Succeed(Session& session) {
  const Flags& flags = session.flags;
  return session.Report("finished", session.client->Succeed(flags.name_space, flags.id, flags.lock,
                                                            Data(flags.data)));
}

int Fail(Session& session) {
  const Flags& flags = session.flags;
  FailOptions options;
  options.traceback = TextOrFile("--traceback", flags.traceback);
  options.no_retry = flags.no_retry;
  options.retry_delay = OptionalDuration("--retry-delay", flags.retry_delay);
  options.data = Data(flags.data);
  return session.Report("recorded", session.client->Fail(flags.name_space, flags.id, flags.lock,
                                                         flags.message, options));
}

int Release(Session& session) {
  const Flags& flags = session.flags;
  const auto delay = OptionalDuration("--delay", flags.delay).value_or(absl::ZeroDuration());
  return session.Report("released",
                        session.client->Release(flags.name_space, flags.id, flags.lock, delay));
}

int Get(Session& session) {
  const auto task = session.client->Get(session.flags.name_space, session.flags.id);
  if (!task.ok()) return session.Refused(task.status());
  if (session.flags.json) {
    session.PrintLine(TaskJson(*task));
  } else {
    PrintTask(std::cout, *task, absl::Now());
  }
  return kDone;
}

int List(Session& session) {
  const Flags& flags = session.flags;
  ListOptions options;
  options.name_space = flags.name_space;
  for (const std::string& name : flags.statuses)
    options.statuses.push_back(*TaskStatusFromName(name));
  options.id_prefix = flags.prefix;
  options.worker = flags.worker;
  options.order = flags.order == "oldest"    ? ListOrder::kOldestFirst
                  : flags.order == "updated" ? ListOrder::kUpdatedFirst
                                             : ListOrder::kNewestFirst;
  options.page_token = flags.page_token;
  size_t shown = 0;
  const auto limit = static_cast<size_t>(flags.limit);
  for (;;) {
    options.page_size = flags.all ? 1000 : static_cast<int>(std::min<size_t>(limit - shown, 1000));
    const auto page = session.client->List(options);
    if (!page.ok()) return session.Refused(page.status());
    if (flags.json) {
      for (const Task& task : page->tasks) session.PrintLine(TaskJson(task));
    } else if (!page->tasks.empty()) {
      PrintTasks(std::cout, page->tasks, absl::Now());
    }
    shown += page->tasks.size();
    options.page_token = page->next_page_token;
    if (options.page_token.empty() || (!flags.all && shown >= limit)) break;
  }
  if (!options.page_token.empty())
    std::cerr << "There are more: --all, or --page-token " << options.page_token << "\n";
  if (shown == 0 && !flags.json) std::cerr << "no tasks\n";
  return kDone;
}

int Count(Session& session) {
  const auto counts = session.client->Count(session.flags.name_space);
  if (!counts.ok()) return session.Refused(counts.status());
  if (session.flags.json) {
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

int Ignore(Session& session) {
  return session.Report("done", session.client->Ignore(session.flags.name_space, session.flags.id));
}

int Reset(Session& session) {
  return session.Report("reset", session.client->Reset(session.flags.name_space, session.flags.id,
                                                       session.flags.force));
}

int Delete(Session& session) {
  return session.Report("deleted", session.client->Delete(session.flags.name_space,
                                                          session.flags.id, session.flags.force));
}

using Command = int (*)(Session&);

// The command line's grammar.
class Grammar {
 public:
  explicit Grammar(Flags* flags) : flags_(*flags) {
    app_.description("trackerctl: Tracker from the command line.");
    app_.footer(
        "Exit codes: 0 done; 1 refused by the server, the reason is printed; 2 wrong usage;\n"
        "3 the server or its database is not available.\n"
        "trackerctl COMMAND --help says more, with an example.");
    app_.require_subcommand(1);
    app_.fallthrough();
    app_.add_option("--server", flags_.server, "Where trackerd listens")
        ->envname("TRACKER_SERVER")
        ->type_name("HOST:PORT")
        ->capture_default_str();
    app_.add_option("--timeout", flags_.timeout, "How long to try, repeats included")
        ->type_name("DURATION")
        ->capture_default_str();
    app_.add_flag("--json", flags_.json,
                  "For scripts: one JSON object a line; errors as one on stderr");
    Build();
  }

  CLI::App& app() { return app_; }
  Command command() const { return command_; }

 private:
  CLI::App* Add(const char* name, const char* what, const char* example, Command command) {
    CLI::App* sub = app_.add_subcommand(name, what);
    sub->fallthrough();
    sub->footer(absl::StrCat("Example:\n  ", example,
                             "\ntrackerctl --help shows the options of all commands."));
    sub->callback([this, command] { command_ = command; });
    return sub;
  }
  void Names(CLI::App* sub) {
    sub->add_option("NAMESPACE", flags_.name_space, "The kind of work")->required();
    sub->add_option("ID", flags_.id, "The task's name in it")->required();
  }
  void Lock(CLI::App* sub) {
    Names(sub);
    sub->add_option("LOCK", flags_.lock, "The lock that start printed; or TRACKER_LOCK")
        ->envname("TRACKER_LOCK")
        ->required();
  }
  CLI::Option* Text(CLI::App* sub, const char* name, std::string* value, const char* what,
                    const char* type) {
    return sub->add_option(name, *value, what)->type_name(type);
  }
  void DataFlag(CLI::App* sub, const char* what) {
    Text(sub, "--data", &flags_.data, what, "JSON|@FILE|-");
  }

  void Build() {
    BuildWork();
    BuildReading();
    BuildOperators();
  }

  void BuildWork() {
    CLI::App* sub = Add("create", "Make a new task",
                        "trackerctl create invoices 2026-001 --data '{\"pages\": 3}'", Create);
    Names(sub);
    DataFlag(sub, "The task's data, a JSON object");
    sub->add_option("--priority", flags_.priority, "Higher ones are claimed first")
        ->capture_default_str();
    sub->add_option("--max-attempts", flags_.max_attempts,
                    "1 to 1000; 0: as the namespace says, else 3");
    auto* in =
        Text(sub, "--available-in", &flags_.available_in, "Not to be started before", "DURATION");
    Text(sub, "--available-at", &flags_.available_at, "The same, as RFC 3339", "TIME")
        ->excludes(in);
    sub->add_flag("--allow-existing", flags_.allow_existing, "One that is there already is fine");

    sub = Add("start", "Take a task's lock; it has to be finished with succeed, fail or release",
              "trackerctl start invoices 2026-001 --lease 30m --create", Start);
    Names(sub);
    Text(sub, "--lease", &flags_.lease,
         "How long the lock holds; default: as the namespace says, "
         "else 15m",
         "DURATION");
    Text(sub, "--worker", &flags_.worker, "Who works on it; default: host:pid:thread", "NAME");
    sub->add_flag("--ignore-lock", flags_.ignore_lock, "Take it over from the one who holds it");
    sub->add_flag("--force", flags_.force, "Also when it is exhausted, succeeded or ignored");
    sub->add_flag("--create", flags_.create, "Create it where there is none");

    sub = Add("heartbeat", "Renew the lease of a lock",
              "trackerctl heartbeat invoices 2026-001 $LOCK --lease 30m", Heartbeat);
    Lock(sub);
    Text(sub, "--lease", &flags_.lease, "How long from now; default: as before", "DURATION");
    DataFlag(sub, "Save this as the task's data");

    sub = Add("succeed", "Finish a started task well",
              "trackerctl succeed invoices 2026-001 $LOCK --data @result.json", Succeed);
    Lock(sub);
    DataFlag(sub, "Replaces the task's data");

    sub = Add("fail", "Finish a started task badly; it is tried again while attempts are left",
              "trackerctl fail invoices 2026-001 $LOCK --message 'page 2 is blank'", Fail);
    Lock(sub);
    Text(sub, "--message", &flags_.message, "What went wrong", "TEXT");
    Text(sub, "--traceback", &flags_.traceback, "Where it went wrong", "TEXT|@FILE|-");
    sub->add_flag("--no-retry", flags_.no_retry, "Trying again is of no use");
    Text(sub, "--retry-delay", &flags_.retry_delay, "Not again before", "DURATION");
    DataFlag(sub, "Replaces the task's data");

    sub = Add("release", "Give a started task back; the attempt is not counted",
              "trackerctl release invoices 2026-001 $LOCK --delay 10m", Release);
    Lock(sub);
    Text(sub, "--delay", &flags_.delay, "Not to be started before", "DURATION");
  }

  void BuildReading() {
    CLI::App* sub = Add("get", "Show one task, with its data and errors",
                        "trackerctl get invoices 2026-001", Get);
    Names(sub);

    sub = Add("list", "Show the tasks of a namespace",
              "trackerctl list invoices --status failed,exhausted --order updated", List);
    sub->add_option("NAMESPACE", flags_.name_space, "The kind of work")->required();
    std::vector<std::string> names;
    for (TaskStatus status : kTaskStatuses) names.push_back(TaskStatusName(status));
    sub->add_option("--status", flags_.statuses, "Only those with one of these statuses")
        ->delimiter(',')
        ->check(CLI::IsMember(names))
        ->type_name("STATUS[,...]");
    Text(sub, "--prefix", &flags_.prefix, "Only ids that begin so", "TEXT");
    Text(sub, "--worker", &flags_.worker, "Only those that this worker holds or held last", "NAME");
    sub->add_option("--order", flags_.order, "newest, oldest, or updated (what changed last first)")
        ->check(CLI::IsMember({"newest", "oldest", "updated"}))
        ->type_name("ORDER")
        ->capture_default_str();
    auto* limit = sub->add_option("--limit", flags_.limit, "How many")
                      ->check(CLI::Range(1, 1'000'000))
                      ->type_name("N")
                      ->capture_default_str();
    sub->add_flag("--all", flags_.all, "All of them")->excludes(limit);
    Text(sub, "--page-token", &flags_.page_token, "Go on where an earlier list ended", "TOKEN");

    sub = Add("count", "Count tasks by namespace and status", "trackerctl count invoices", Count);
    sub->add_option("NAMESPACE", flags_.name_space, "Default: all");
  }

  void BuildOperators() {
    CLI::App* sub = Add("ignore", "Take a task out of the work for good",
                        "trackerctl ignore invoices 2026-001", Ignore);
    Names(sub);
    sub = Add("reset", "Make a task pending again, with no attempts counted",
              "trackerctl reset invoices 2026-001", Reset);
    Names(sub);
    sub->add_flag("--force", flags_.force, "Also when a worker holds it");
    sub = Add("delete", "Remove a task", "trackerctl delete invoices 2026-001", Delete);
    Names(sub);
    sub->add_flag("--force", flags_.force, "Also when a worker holds it");
  }

  Flags& flags_;
  CLI::App app_;
  Command command_ = nullptr;
};

int Main(int argc, char** argv) {
  UseUtf8();
  Flags flags;
  Grammar grammar(&flags);
  try {
    grammar.app().parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return grammar.app().exit(e) == 0 ? kDone : kUsage;
  }
  try {
    ClientOptions options;
    options.deadline = Duration("--timeout", flags.timeout);
    Asked asked{flags.server, "trackerctl", flags.name_space, flags.id, flags.json};
    if (flags.server != kDefaultServer && std::getenv("TRACKER_SERVER") == nullptr)
      absl::StrAppend(&asked.program, " --server ", Quote(flags.server));
    Session session{flags, Client::Connect(flags.server, options), asked};
    const int code = grammar.command()(session);
    std::cout.flush();
    if (!std::cout) {
      std::cerr << "trackerctl: cannot write to stdout\n";
      return kUsage;
    }
    return code;
  } catch (const UsageError& e) {
    std::cerr << "trackerctl: " << e.message << "\n";
    return kUsage;
  }
}

}  // namespace
}  // namespace tracker::cli

int main(int argc, char** argv) { return tracker::cli::Main(argc, argv); }
