// The commands of workers: create a task, take it, and say how it ended.
#include <fstream>
#include <iostream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "client/cli/grammar.h"
#include "client/cli/show.h"
#include "client/cli/text.h"

namespace tracker::cli {
namespace {

// Each command uses its own.
struct WorkFlags {
  std::string lock;
  std::string data, worker, lease, delay, retry_delay, message, traceback, wait;
  std::string available_in, available_at;
  int priority = 0, max_attempts = 0, limit = 1;
  bool allow_existing = false, ignore_lock = false, force = false, create = false;
  bool no_retry = false;
  std::vector<std::string> after;
};

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

std::optional<absl::Time> AvailableTime(const WorkFlags& flags) {
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

int Create(Session& session, const WorkFlags& flags) {
  NewTask task{session.name_space(), session.id()};
  task.data = Data(flags.data).value_or("");
  task.priority = flags.priority;
  task.available_time = AvailableTime(flags);
  task.max_attempts = flags.max_attempts;
  task.allow_existing = flags.allow_existing;
  return session.Report(flags.allow_existing ? "there is" : "created",
                        session.client().Create(task));
}

nlohmann::ordered_json WithLock(const Task& task, const std::string& lock) {
  auto json = TaskJson(task);
  json["lock"] = lock;
  return json;
}

std::string LeaseOf(const Task& task) {
  return Short(task.lease_remaining.value_or(absl::ZeroDuration()));
}

void PrintStarted(const Task& task, const std::string& lock) {
  std::cout << "started " << OneLine(task.name_space) << " " << OneLine(task.id) << ": attempt "
            << task.attempts << " of " << task.max_attempts << ", fence " << task.fence
            << ", lease " << LeaseOf(task) << "\nlock    " << lock << "\n";
  if (task.data != "{}") std::cout << "data    " << OneLine(task.data) << "\n";
}

// What to do with it, to be pasted as it stands.
void PrintNext(const Session& session, const Task& task, const std::string& lock) {
  const auto next = [&](const char* command, const char* more) {
    return absl::StrCat(session.asked().program, " ", command, " ", Quote(task.name_space), " ",
                        Quote(task.id), " ", lock, more);
  };
  std::cout << "\nWithin " << LeaseOf(task) << ", one of:\n  " << next("succeed", "") << "\n  "
            << next("fail", " --message 'what went wrong'") << "\n  " << next("heartbeat", "")
            << "\n";
}

int Start(Session& session, const WorkFlags& flags) {
  StartOptions options;
  options.lease = OptionalDuration("--lease", flags.lease);
  options.worker = flags.worker;
  options.ignore_lock = flags.ignore_lock;
  options.force = flags.force;
  options.create_if_missing = flags.create;
  options.after = flags.after;
  auto guard = session.client().Start(session.name_space(), session.id(), options);
  if (!guard.ok()) return session.Refused(guard.status());
  const Task task = guard->task();
  const std::string lock = std::move(*guard).Detach();
  if (session.json()) {
    session.PrintLine(WithLock(task, lock));
    return kDone;
  }
  PrintStarted(task, lock);
  PrintNext(session, task, lock);
  return kDone;
}

int Claim(Session& session, const WorkFlags& flags) {
  ClaimOptions options;
  options.limit = flags.limit;
  options.wait = OptionalDuration("--wait", flags.wait).value_or(absl::ZeroDuration());
  options.lease = OptionalDuration("--lease", flags.lease);
  options.worker = flags.worker;
  options.after = flags.after;
  auto guards = session.client().Claim(session.name_space(), options);
  if (!guards.ok()) return session.Refused(guards.status());
  for (TaskGuard& guard : *guards) {
    const Task task = guard.task();
    const std::string lock = std::move(guard).Detach();
    if (session.json()) {
      session.PrintLine(WithLock(task, lock));
      continue;
    }
    PrintStarted(task, lock);
    if (guards->size() == 1) PrintNext(session, task, lock);
  }
  if (guards->empty() && !session.json()) std::cerr << "no tasks\n";
  return kDone;
}

int Heartbeat(Session& session, const WorkFlags& flags) {
  const auto task =
      session.client().Heartbeat(session.name_space(), session.id(), flags.lock,
                                 OptionalDuration("--lease", flags.lease), Data(flags.data));
  const int code = session.Report("renewed", task);
  if (code == kDone && !session.json() && task->lease_remaining)
    std::cout << "lease   " << Short(*task->lease_remaining) << "\n";
  return code;
}

int Succeed(Session& session, const WorkFlags& flags) {
  return session.Report("finished", session.client().Succeed(session.name_space(), session.id(),
                                                             flags.lock, Data(flags.data)));
}

int Fail(Session& session, const WorkFlags& flags) {
  FailOptions options;
  options.traceback = TextOrFile("--traceback", flags.traceback);
  options.no_retry = flags.no_retry;
  options.retry_delay = OptionalDuration("--retry-delay", flags.retry_delay);
  options.data = Data(flags.data);
  return session.Report("recorded", session.client().Fail(session.name_space(), session.id(),
                                                          flags.lock, flags.message, options));
}

int Release(Session& session, const WorkFlags& flags) {
  const auto delay = OptionalDuration("--delay", flags.delay).value_or(absl::ZeroDuration());
  return session.Report(
      "released", session.client().Release(session.name_space(), session.id(), flags.lock, delay));
}

}  // namespace

void AddWorkCommands(Grammar& grammar) {
  auto flags = std::make_shared<WorkFlags>();
  const auto with = [flags](int (*command)(Session&, const WorkFlags&)) {
    return [flags, command](Session& session) { return command(session, *flags); };
  };
  const auto data = [&](CLI::App* sub, const char* what) {
    Grammar::Text(sub, "--data", &flags->data, what, "JSON|@FILE|-");
  };
  const auto lease_and_worker = [&](CLI::App* sub) {
    Grammar::Text(sub, "--lease", &flags->lease,
                  "How long the lock holds; default: as the namespace says, else 15m", "DURATION");
    Grammar::Text(sub, "--worker", &flags->worker, "Who works on it; default: host:pid:thread",
                  "NAME");
  };

  CLI::App* sub =
      grammar.Add("create", "Make a new task",
                  "trackerctl create invoices 2026-001 --data '{\"pages\": 3}'", with(Create));
  grammar.Names(sub);
  data(sub, "The task's data, a JSON object");
  sub->add_option("--priority", flags->priority, "Higher ones are claimed first")
      ->capture_default_str();
  sub->add_option("--max-attempts", flags->max_attempts,
                  "1 to 1000; 0: as the namespace says, else 3");
  auto* in = Grammar::Text(sub, "--available-in", &flags->available_in, "Not to be started before",
                           "DURATION");
  Grammar::Text(sub, "--available-at", &flags->available_at, "The same, as RFC 3339", "TIME")
      ->excludes(in);
  sub->add_flag("--allow-existing", flags->allow_existing, "One that is there already is fine");

  sub = grammar.Add("start",
                    "Take a task's lock; it has to be finished with succeed, fail or release",
                    "trackerctl start invoices 2026-001 --lease 30m --create", with(Start));
  grammar.Names(sub);
  lease_and_worker(sub);
  sub->add_flag("--ignore-lock", flags->ignore_lock, "Take it over from the one who holds it");
  sub->add_flag("--force", flags->force, "Also when it is exhausted, succeeded or ignored");
  sub->add_flag("--create", flags->create, "Create it where there is none");
  Grammar::After(sub, &flags->after, "Only once this id has succeeded in these namespaces");

  sub = grammar.Add("claim", "Take the locks of the next tasks of a namespace",
                    "trackerctl claim invoices --wait 30s", with(Claim));
  grammar.Namespace(sub);
  sub->add_option("--limit", flags->limit, "How many at most")
      ->check(CLI::Range(1, 1000))
      ->type_name("N")
      ->capture_default_str();
  Grammar::Text(sub, "--wait", &flags->wait,
                "How long to wait where there is none, at most 60s; default: not at all",
                "DURATION");
  lease_and_worker(sub);
  Grammar::After(sub, &flags->after, "Only tasks whose id has succeeded in these namespaces");

  sub = grammar.Add("heartbeat", "Renew the lease of a lock",
                    "trackerctl heartbeat invoices 2026-001 $LOCK --lease 30m", with(Heartbeat));
  grammar.Lock(sub, &flags->lock);
  Grammar::Text(sub, "--lease", &flags->lease, "How long from now; default: as before", "DURATION");
  data(sub, "Save this as the task's data");

  sub =
      grammar.Add("succeed", "Finish a started task well",
                  "trackerctl succeed invoices 2026-001 $LOCK --data @result.json", with(Succeed));
  grammar.Lock(sub, &flags->lock);
  data(sub, "Replaces the task's data");

  sub = grammar.Add(
      "fail", "Finish a started task badly; it is tried again while attempts are left",
      "trackerctl fail invoices 2026-001 $LOCK --message 'page 2 is blank'", with(Fail));
  grammar.Lock(sub, &flags->lock);
  Grammar::Text(sub, "--message", &flags->message, "What went wrong", "TEXT");
  Grammar::Text(sub, "--traceback", &flags->traceback, "Where it went wrong", "TEXT|@FILE|-");
  sub->add_flag("--no-retry", flags->no_retry, "Trying again is of no use");
  Grammar::Text(sub, "--retry-delay", &flags->retry_delay, "Not again before", "DURATION");
  data(sub, "Replaces the task's data");

  sub = grammar.Add("release", "Give a started task back; the attempt is not counted",
                    "trackerctl release invoices 2026-001 $LOCK --delay 10m", with(Release));
  grammar.Lock(sub, &flags->lock);
  Grammar::Text(sub, "--delay", &flags->delay, "Not to be started before", "DURATION");
}

}  // namespace tracker::cli
