#include "client/cli/grammar.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace tracker::cli {

std::vector<TaskStatus> FilterFlags::Statuses() const {
  std::vector<TaskStatus> values;
  for (const std::string& name : statuses) values.push_back(*TaskStatusFromName(name));
  return values;
}

bool FilterFlags::empty() const {
  return statuses.empty() && prefix.empty() && worker.empty() && error_text.empty() &&
         error_fingerprint.empty();
}

Grammar::Grammar(CommonFlags* flags) : flags_(*flags) {
  app_.description("trackerctl: Tracker from the command line.");
  app_.footer(
      "Exit codes: 0 done; 1 refused by the server, the reason is printed; 2 wrong usage;\n"
      "3 the server or its database is not available; 130 stopped by Ctrl-C.\n"
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
  AddWorkCommands(*this);
  AddReadCommands(*this);
  AddUpdateCommands(*this);
  AddPolicyCommands(*this);
  AddAdminCommands(*this);
}

CLI::App* Grammar::AddTo(CLI::App* group, const char* name, const char* what, const char* example,
                         Command command) {
  CLI::App* sub = group->add_subcommand(name, what);
  sub->fallthrough();
  sub->footer(absl::StrCat("Example:\n  ", example,
                           "\ntrackerctl --help shows the options of all commands."));
  sub->callback([this, command = std::move(command)] { command_ = command; });
  return sub;
}

CLI::App* Grammar::AddGroup(const char* name, const char* what) {
  CLI::App* group = app_.add_subcommand(name, what);
  group->fallthrough();
  group->require_subcommand(1);
  return group;
}

void Grammar::Namespace(CLI::App* sub) {
  sub->add_option("NAMESPACE", flags_.name_space, "The kind of work")->required();
}

void Grammar::Names(CLI::App* sub) {
  Namespace(sub);
  sub->add_option("ID", flags_.id, "The task's name in it")->required();
}

void Grammar::Lock(CLI::App* sub, std::string* lock) {
  Names(sub);
  sub->add_option("LOCK", *lock, "The lock that start or claim printed; or TRACKER_LOCK")
      ->envname("TRACKER_LOCK")
      ->required();
}

CLI::Option* Grammar::Text(CLI::App* sub, const char* name, std::string* value, const char* what,
                           const char* type) {
  return sub->add_option(name, *value, what)->type_name(type);
}

void Grammar::Statuses(CLI::App* sub, std::vector<std::string>* statuses) {
  std::vector<std::string> names;
  for (TaskStatus status : kTaskStatuses) names.push_back(TaskStatusName(status));
  sub->add_option("--status", *statuses, "Only those with one of these statuses")
      ->delimiter(',')
      ->check(CLI::IsMember(names))
      ->type_name("STATUS[,...]");
}

void Grammar::Filter(CLI::App* sub, FilterFlags* filter) {
  Statuses(sub, &filter->statuses);
  Text(sub, "--prefix,--id-prefix", &filter->prefix, "Only ids that begin so", "TEXT");
  Text(sub, "--worker", &filter->worker, "Only those that this worker holds or held last", "NAME");
  Text(sub, "--error-text", &filter->error_text, "Only those with an error that contains this",
       "TEXT");
  Text(sub, "--error-fingerprint", &filter->error_fingerprint,
       "Only those whose last error is of this group (trackerctl errors)", "HEX");
}

void Grammar::After(CLI::App* sub, std::vector<std::string>* after, const char* what) {
  sub->add_option("--after", *after, what)->delimiter(',')->type_name("NAMESPACE[,...]");
}

}  // namespace tracker::cli
