// The command line's grammar: commands with their flags, and which of them was given. Each file of
// commands adds its own.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/cli/session.h"

namespace tracker::cli {

// Which tasks: what list and the updates of many tasks share.
struct FilterFlags {
  std::vector<std::string> statuses;
  std::string prefix, worker, error_text, error_fingerprint;

  std::vector<TaskStatus> Statuses() const;
  bool empty() const;
};

class Grammar {
 public:
  using Command = std::function<int(Session&)>;

  explicit Grammar(CommonFlags* flags);

  CLI::App& app() { return app_; }
  CommonFlags& flags() { return flags_; }
  // The one that was given; set once the command line is parsed.
  const Command& command() const { return command_; }

  CLI::App* Add(const char* name, const char* what, const char* example, Command command) {
    return AddTo(&app_, name, what, example, std::move(command));
  }
  // "admin check": a command of a group.
  CLI::App* AddTo(CLI::App* group, const char* name, const char* what, const char* example,
                  Command command);
  CLI::App* AddGroup(const char* name, const char* what);

  // NAMESPACE; NAMESPACE ID; NAMESPACE ID LOCK.
  void Namespace(CLI::App* sub);
  void Names(CLI::App* sub);
  void Lock(CLI::App* sub, std::string* lock);

  static CLI::Option* Text(CLI::App* sub, const char* name, std::string* value, const char* what,
                           const char* type);
  static void Statuses(CLI::App* sub, std::vector<std::string>* statuses);
  static void Filter(CLI::App* sub, FilterFlags* filter);
  static void After(CLI::App* sub, std::vector<std::string>* after, const char* what);

 private:
  CommonFlags& flags_;
  CLI::App app_;
  Command command_;
};

// Start, heartbeat, succeed: what works on tasks.
void AddWorkCommands(Grammar& grammar);
// Get, list, count, errors.
void AddReadCommands(Grammar& grammar);
// Retry, ignore, reset, delete: of one task, or of all that a filter matches.
void AddUpdateCommands(Grammar& grammar);
void AddPolicyCommands(Grammar& grammar);
void AddAdminCommands(Grammar& grammar);

}  // namespace tracker::cli
