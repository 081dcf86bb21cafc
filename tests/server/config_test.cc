#include "server/config.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace tracker::server {
namespace {

// An environment variable for as long as it lives.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Environment() { unsetenv(name_); }

 private:
  const char* const name_;
};

class ConfigFile {
 public:
  explicit ConfigFile(const std::string& text)
      : path_(absl::StrCat(testing::TempDir(), "config_test_",
                           testing::UnitTest::GetInstance()->current_test_info()->name(),
                           ".toml")) {
    std::ofstream(path_) << text;
  }
  ~ConfigFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

TEST(Config, DefaultsNeedNothing) {
  const ParsedConfig parsed = ParseConfig({});
  ASSERT_FALSE(parsed.exit_code) << parsed.output;
  EXPECT_EQ(parsed.config.listen, "127.0.0.1:7070");
  EXPECT_EQ(parsed.config.store, "sqlite:tracker.db");
  EXPECT_EQ(parsed.config.drain_timeout, absl::Seconds(20));
  EXPECT_EQ(parsed.config.log_format, LogFormat::kText);
  EXPECT_FALSE(parsed.config.no_migrate);
  EXPECT_FALSE(parsed.config.migrate_only);
  EXPECT_FALSE(parsed.config.no_reaper);
  EXPECT_FALSE(parsed.config.no_purge);
}

TEST(Config, WhatRunsInTheBackgroundCanBeStopped) {
  EXPECT_TRUE(ParseConfig({"--no-reaper"}).config.no_reaper);
  EXPECT_FALSE(ParseConfig({"--no-reaper"}).config.no_purge);
  EXPECT_TRUE(ParseConfig({"--no-purge"}).config.no_purge);
}

TEST(Config, CommandLineWinsOverEnvironmentOverFileOverDefault) {
  const ConfigFile file(
      "listen = \"127.0.0.1:1\"\nreaders = 5\nlanes = 5\ndrain-timeout = \"5s\"\nno-migrate = "
      "true\n");
  const Environment readers("TRACKER_READERS", "6");
  const Environment lanes("TRACKER_LANES", "6");
  const ParsedConfig parsed = ParseConfig({"--config", file.path(), "--lanes=7"});
  ASSERT_FALSE(parsed.exit_code) << parsed.output;
  EXPECT_EQ(parsed.config.lanes, 7);
  EXPECT_EQ(parsed.config.readers, 6);
  EXPECT_EQ(parsed.config.listen, "127.0.0.1:1");
  EXPECT_EQ(parsed.config.drain_timeout, absl::Seconds(5));
  EXPECT_TRUE(parsed.config.no_migrate);
  EXPECT_EQ(parsed.config.max_streams, 4096);
}

TEST(Config, EveryFlagIsAVariable) {
  const Environment listen("TRACKER_LISTEN", "[::1]:0");
  const Environment store("TRACKER_STORE", "postgresql://u@h/d");
  const Environment no_migrate("TRACKER_NO_MIGRATE", "true");
  const Environment no_reaper("TRACKER_NO_REAPER", "true");
  const Environment no_purge("TRACKER_NO_PURGE", "true");
  const Environment format("TRACKER_LOG_FORMAT", "json");
  const Environment level("TRACKER_LOG_LEVEL", "error");
  const Environment drain("TRACKER_DRAIN_TIMEOUT", "1m30s");
  const Environment queue("TRACKER_QUEUE", "2000");
  const ParsedConfig parsed = ParseConfig({});
  ASSERT_FALSE(parsed.exit_code) << parsed.output;
  EXPECT_EQ(parsed.config.listen, "[::1]:0");
  EXPECT_EQ(parsed.config.store, "postgresql://u@h/d");
  EXPECT_TRUE(parsed.config.no_migrate);
  EXPECT_TRUE(parsed.config.no_reaper);
  EXPECT_TRUE(parsed.config.no_purge);
  EXPECT_EQ(parsed.config.log_format, LogFormat::kJson);
  EXPECT_EQ(parsed.config.log_level, LogLevel::kError);
  EXPECT_EQ(parsed.config.drain_timeout, absl::Seconds(90));
  EXPECT_EQ(parsed.config.queue, 2000);
}

TEST(Config, TheFileCanBeNamedInTheEnvironment) {
  const ConfigFile file("readers = 9\n");
  const Environment config("TRACKER_CONFIG", file.path().c_str());
  EXPECT_EQ(ParseConfig({}).config.readers, 9);
}

TEST(Config, ABadValueIsOneLineThatNamesTheFlag) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> table = {
      {{"--lanes", "x"}, "--lanes"},
      {{"--lanes", "-1"}, "--lanes"},
      {{"--readers", "0"}, "--readers"},
      {{"--queue", "1e3"}, "--queue"},
      {{"--max-streams", "99999999999"}, "--max-streams"},
      {{"--rpc-memory-mib", "1"}, "--rpc-memory-mib"},
      {{"--listen", "nowhere"}, "--listen"},
      {{"--listen", "host:99999"}, "--listen"},
      {{"--listen", ":70x"}, "--listen"},
      {{"--log-format", "xml"}, "--log-format"},
      {{"--log-level", "loud"}, "--log-level"},
      {{"--drain-timeout", "20"}, "--drain-timeout"},
      {{"--drain-timeout", "-1s"}, "--drain-timeout"},
      {{"--drain-timeout", "inf"}, "--drain-timeout"},
      {{"--bogus"}, "--bogus"},
      // Not shown: it may be a piece of a store's URL, and secret.
      {{"stray"}, "belongs to no flag"},
      {{"migrate", "--no-migrate"}, "--no-migrate"},
      {{"--config", "/nonexistent/file"}, "/nonexistent/file"},
  };
  for (const auto& [args, named] : table) {
    const ParsedConfig parsed = ParseConfig(args);
    EXPECT_EQ(parsed.exit_code, 2) << named;
    EXPECT_TRUE(absl::StrContains(parsed.output, named)) << parsed.output;
    EXPECT_EQ(parsed.output.find('\n'), parsed.output.size() - 1) << parsed.output;
  }
}

TEST(Config, ABadVariableOrKeyIsNamedByItsFlag) {
  const Environment lanes("TRACKER_LANES", "many");
  EXPECT_TRUE(absl::StrContains(ParseConfig({}).output, "--lanes"));
}

TEST(Config, UnknownKeysOfTheFileAreRefused) {
  const ConfigFile file("laens = 3\n");
  const ParsedConfig parsed = ParseConfig({"--config", file.path()});
  EXPECT_EQ(parsed.exit_code, 2);
  EXPECT_TRUE(absl::StrContains(parsed.output, "laens")) << parsed.output;
}

TEST(Config, AKeyOfTheFileWithoutAValueIsRefused) {
  for (const char* text : {"lanes = []\n", "lanes = [ ]\n", "[default]\nstore = []\n"}) {
    SCOPED_TRACE(text);
    const ConfigFile file(text);
    const ParsedConfig parsed = ParseConfig({"--config", file.path()});
    EXPECT_EQ(parsed.exit_code, 2);
    EXPECT_TRUE(absl::StrContains(parsed.output, "has no value")) << parsed.output;
  }
}

TEST(Config, MigrateIsASubcommandThatTakesFlags) {
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"migrate", "--store", "sqlite:x.db"},
        std::vector<std::string>{"--store", "sqlite:x.db", "migrate"}}) {
    const ParsedConfig parsed = ParseConfig(args);
    ASSERT_FALSE(parsed.exit_code) << parsed.output;
    EXPECT_TRUE(parsed.config.migrate_only);
    EXPECT_EQ(parsed.config.store, "sqlite:x.db");
  }
}

TEST(Config, HelpAndVersionLeaveWell) {
  const ParsedConfig help = ParseConfig({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* flag : {"--listen", "--store", "--no-migrate", "--lanes", "--readers", "--queue",
                           "--max-streams", "--rpc-memory-mib", "--log-format", "--log-level",
                           "--drain-timeout", "--config", "migrate", "TRACKER_LISTEN"})
    EXPECT_TRUE(absl::StrContains(help.output, flag)) << flag;
  const ParsedConfig version = ParseConfig({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_TRUE(absl::StartsWith(version.output, "trackerd "));
}

}  // namespace
}  // namespace tracker::server
