#include "server/config.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <istream>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace tracker::server {
namespace {

constexpr int kUsageExit = 2;
constexpr int kMaxLanes = 64;
constexpr int kMaxReaders = 64;
constexpr int kMaxQueue = 1'000'000;
constexpr int kMaxStreams = 1'000'000;
constexpr int kMinRpcMemoryMib = 64;
constexpr int kMaxRpcMemoryMib = 1024 * 1024;
constexpr absl::Duration kMaxDrain = absl::Hours(1);

// "" when good, as CLI11 has it.
std::string CheckListen(const std::string& address) {
  if (absl::StartsWith(address, "unix:")) return "";
  const size_t colon = address.rfind(':');
  int port = -1;
  if (colon == std::string::npos || colon == 0 ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port) || port < 0 || port > 65535)
    return absl::StrCat("'", address, "' is not HOST:PORT, such as 127.0.0.1:7070 or [::]:7070");
  return "";
}

// A whole number within bounds; says so in a way that a person would.
CLI::Validator Between(int min, int max) {
  return CLI::Validator(
      [min, max](std::string& text) -> std::string {
        int value = 0;
        if (absl::SimpleAtoi(text, &value) && value >= min && value <= max) return "";
        return absl::StrCat("'", text, "' is not a whole number from ", min, " to ", max);
      },
      "");
}

std::string CheckDuration(const std::string& text) {
  absl::Duration duration;
  if (absl::ParseDuration(text, &duration) && duration >= absl::ZeroDuration() &&
      duration <= kMaxDrain)
    return "";
  return absl::StrCat("'", text, "' is not a duration from 0s to ", absl::FormatDuration(kMaxDrain),
                      ", such as 20s or 1m30s");
}

std::string EnvironmentName(absl::string_view flag) {
  return absl::StrCat("TRACKER_", absl::AsciiStrToUpper(absl::StrReplaceAll(
                                      absl::StripPrefix(flag, "--"), {{"-", "_"}})));
}

// As CLI11 reads it, but for a key with an empty array (lanes = []): CLI11 would look at its first
// value.
class ConfigFileReader : public CLI::ConfigTOML {
 public:
  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    std::vector<CLI::ConfigItem> items = CLI::ConfigTOML::from_config(input);
    for (const CLI::ConfigItem& item : items) {
      const bool section = item.name == "++" || item.name == "--";
      if (item.inputs.empty() && !section)
        throw CLI::ConfigError(absl::StrCat("the key ", item.name, " has no value"));
    }
    return items;
  }
};

// Names and what they stand for, in the order to show them.
template <typename T>
using Choices = std::vector<std::pair<std::string, T>>;

// The options of one command line, and what of them is not simply bound to a field.
class Parser {
 public:
  explicit Parser(Config* config) : config_(*config) {
    Describe();
    AddStoreFlags();
    AddBackgroundFlags();
    AddServingFlags();
    AddOperationFlags();
  }

  // Throws CLI::ParseError.
  void Parse(const std::vector<std::string>& args) {
    // CLI11 lets the file win over the environment. Set as if at the front of the command line, the
    // environment wins over the file, and the command line over both, as the last one counts.
    std::vector<std::string> all;
    for (const auto& [flag, variable] : variables_) {
      const char* value = std::getenv(variable.c_str());
      if (value != nullptr && *value != '\0') all.push_back(absl::StrCat(flag, "=", value));
    }
    all.insert(all.end(), args.begin(), args.end());
    std::reverse(all.begin(), all.end());  // as CLI11 wants them
    app_.parse(all);
    absl::ParseDuration(drain_timeout_, &config_.drain_timeout);
    config_.migrate_only = migrate_->parsed();
    if (config_.migrate_only && config_.no_migrate)
      throw CLI::ValidationError("--no-migrate",
                                 "contradicts the subcommand migrate; leave one out");
  }

  CLI::App& app() { return app_; }

 private:
  void Describe() {
    app_.name("trackerd");
    app_.footer(
        "Every flag is also an environment variable (TRACKER_LISTEN, ...) and a key of the config "
        "file\n(listen = \"...\"). The command line wins over the environment, the environment "
        "over the file.\nSIGTERM or SIGINT: finish what is queued and leave; a second one: leave "
        "at once.");
    app_.set_version_flag("--version", "trackerd " TRACKER_VERSION);
    Register(
        app_.set_config("--config", "", "File of flags, TOML or INI; unknown keys are refused"),
        "--config")
        ->type_name("FILE")
        ->group("Configuration");
    app_.config_formatter(std::make_shared<ConfigFileReader>());
    app_.allow_config_extras(CLI::config_extras_mode::error);
    app_.fallthrough();
    migrate_ = app_.add_subcommand("migrate", "Apply the store's migrations and leave");
    migrate_->configurable(false);
  }

  void AddStoreFlags() {
    Add("--store", config_.store,
        "Where tasks live: sqlite:PATH, postgresql://USER@HOST/DATABASE, or libpq's keywords "
        "(\"host=... dbname=...\")")
        ->type_name("URL")
        ->group("Store");
    Register(app_.add_flag("--no-migrate", config_.no_migrate,
                           "Refuse a store that lacks migrations, instead of applying them"),
             "--no-migrate")
        ->group("Store");
    Add("--lanes", config_.lanes,
        "Threads that commit writes, one connection each; 0: as the store has use for")
        ->check(Between(0, kMaxLanes))
        ->group("Store");
    Add("--readers", config_.readers, "Threads for Get, List and Count, one connection each")
        ->check(Between(1, kMaxReaders))
        ->group("Store");
  }

  void AddBackgroundFlags() {
    Register(app_.add_flag("--no-reaper", config_.no_reaper,
                           "Leave leases and waits that are over to other replicas, or to "
                           "trackerctl admin expire"),
             "--no-reaper")
        ->group("Background");
    Register(app_.add_flag("--no-purge", config_.no_purge,
                           "Leave finished tasks past their retention to other replicas, or to "
                           "trackerctl admin purge"),
             "--no-purge")
        ->group("Background");
  }

  void AddServingFlags() {
    Add("--listen", config_.listen, "Address to serve gRPC on; port 0 takes a free one")
        ->check(CLI::Validator([](std::string& text) { return CheckListen(text); }, ""))
        ->type_name("HOST:PORT")
        ->group("Serving");
    Add("--queue", config_.queue, "Writes that may wait in each lane; beyond it: OVERLOADED")
        ->check(Between(static_cast<int>(limits::kBatchOperations), kMaxQueue))
        ->group("Serving");
    Add("--max-streams", config_.max_streams,
        "Calls at once on one connection; further ones wait in the client")
        ->check(Between(1, kMaxStreams))
        ->group("Serving");
    Add("--rpc-memory-mib", config_.rpc_memory_mib,
        "MiB that gRPC may hold for calls and connections")
        ->check(Between(kMinRpcMemoryMib, kMaxRpcMemoryMib))
        ->group("Serving");
  }

  void AddOperationFlags() {
    static const Choices<LogFormat> kFormats = {{"text", LogFormat::kText},
                                                {"json", LogFormat::kJson}};
    static const Choices<LogLevel> kLevels = {{"debug", LogLevel::kDebug},
                                              {"info", LogLevel::kInfo},
                                              {"warn", LogLevel::kWarn},
                                              {"error", LogLevel::kError}};
    AddChoice("--log-format", kFormats, "text", &config_.log_format, "How log lines look");
    AddChoice("--log-level", kLevels, "info", &config_.log_level, "The least that is logged");
    Add("--drain-timeout", drain_timeout_, "How long to finish what is queued after SIGTERM")
        ->check(CLI::Validator([](std::string& text) { return CheckDuration(text); }, ""))
        ->type_name("DURATION")
        ->group("Operation");
  }

  template <typename T>
  CLI::Option* Add(const std::string& flag, T& value, const std::string& help) {
    return Register(app_.add_option(flag, value, help)->capture_default_str(), flag)
        ->type_name("N");
  }

  template <typename T>
  void AddChoice(const std::string& flag, const Choices<T>& choices, const std::string& initial,
                 T* value, const std::string& help) {
    std::string names;
    for (const auto& [name, unused] : choices)
      absl::StrAppend(&names, names.empty() ? "" : "|", name);
    const auto find = [&choices](const std::string& name) {
      return std::find_if(choices.begin(), choices.end(),
                          [&](const auto& choice) { return choice.first == name; });
    };
    const auto check = [&choices, find, names](std::string& text) -> std::string {
      if (find(text) != choices.end()) return "";
      return absl::StrCat("'", text, "' is not one of ", names);
    };
    CLI::Option* option = app_.add_option_function<std::string>(
        flag, [find, value](const std::string& name) { *value = find(name)->second; }, help);
    option->check(CLI::Validator(check, ""))->default_str(initial)->type_name(names);
    Register(option, flag)->group("Operation");
  }

  CLI::Option* Register(CLI::Option* option, const std::string& flag) {
    const std::string variable = EnvironmentName(flag);
    variables_.emplace_back(flag, variable);
    return option->envname(variable)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }

  Config& config_;
  CLI::App app_{"trackerd serves tracker.v1.TrackerService: many workers, one list of tasks."};
  CLI::App* migrate_ = nullptr;
  std::string drain_timeout_ = "20s";
  std::vector<std::pair<std::string, std::string>> variables_;
};

std::string OneLine(std::string text) {
  absl::StripAsciiWhitespace(&text);
  return absl::StrReplaceAll(text, {{"\n", "; "}});
}

// Without its value, and without what is no flag: it may be a part of a store's URL that lacks its
// quotes, and so a password.
std::string WhatIsExtra(const CLI::App& app) {
  for (const std::string& extra : app.remaining(/*recurse=*/true)) {
    if (absl::StartsWith(extra, "-"))
      return absl::StrCat("there is no flag ", extra.substr(0, extra.find('=')));
  }
  return "an argument belongs to no flag; put a value that has spaces in quotes";
}

}  // namespace

ParsedConfig ParseConfig(const std::vector<std::string>& args) {
  ParsedConfig parsed;
  Parser parser(&parsed.config);
  try {
    parser.Parse(args);
  } catch (const CLI::CallForHelp&) {
    parsed.exit_code = 0;
    parsed.output = parser.app().help();
  } catch (const CLI::CallForVersion& version) {
    parsed.exit_code = 0;
    parsed.output = absl::StrCat(version.what(), "\n");
  } catch (const CLI::ConfigError& error) {
    parsed.exit_code = kUsageExit;
    parsed.output = absl::StrCat("trackerd: the config file has an unknown key or a bad line: ",
                                 OneLine(error.what()), "\n");
  } catch (const CLI::ExtrasError&) {
    parsed.exit_code = kUsageExit;
    parsed.output =
        absl::StrCat("trackerd: ", WhatIsExtra(parser.app()), " (see trackerd --help)\n");
  } catch (const CLI::ParseError& error) {
    parsed.exit_code = kUsageExit;
    parsed.output = absl::StrCat("trackerd: ", OneLine(error.what()), " (see trackerd --help)\n");
  }
  return parsed;
}

}  // namespace tracker::server
