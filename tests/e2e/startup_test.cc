// What cannot be started says in one line why and what to do; what can is served by any number of
// servers.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <pqxx/pqxx>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "src/base/token.h"
#include "tests/e2e/api.h"
#include "tests/e2e/world.h"
#include "tests/support/child_process.h"

namespace tracker::e2e {
namespace {

constexpr int kCannotStart = 2;

class Startup : public ::testing::Test {
 protected:
  // Runs trackerd with the flags; expects it to end with one line that has all of the words.
  std::string ExpectRefused(std::vector<std::string> flags, const std::vector<std::string>& words,
                            bool heed_permissions = false) {
    flags.insert(flags.begin(), {ProgramPath("trackerd"), "--listen", "127.0.0.1:0"});
    const Ended ended = world_.Run(flags, absl::Seconds(30), heed_permissions);
    SCOPED_TRACE(absl::StrCat("trackerd said: ", ended.err));
    EXPECT_EQ(ended.exit_code, kCannotStart);
    EXPECT_EQ(ended.out, "");
    EXPECT_TRUE(absl::StartsWith(ended.err, "trackerd: "));
    // One line: its end is the only one.
    EXPECT_EQ(ended.err.find('\n'), ended.err.size() - 1);
    EXPECT_LT(ended.err.size(), 600u);
    for (const std::string& word : words) EXPECT_TRUE(absl::StrContains(ended.err, word)) << word;
    return ended.err;
  }
  std::string ExpectBadStore(const std::string& url, const std::vector<std::string>& words,
                             bool heed_permissions = false) {
    return ExpectRefused({"--store", url}, words, heed_permissions);
  }

  World world_;
};

TEST_F(Startup, UnknownKindsOfStore) {
  const std::pair<const char*, const char*> urls[] = {{"mysql://localhost/x", "'mysql:***'"},
                                                      {"tracker.db", "'***'"},
                                                      {"postgresql:/localhost", "'postgresql:***'"},
                                                      {"SQLITE:x", "'SQLITE:***'"}};
  for (const auto& [url, shown] : urls)
    ExpectBadStore(url, {shown, "use sqlite:PATH or postgresql://"});
  ExpectBadStore("sqlite:", {"names no file", "try sqlite:"});
  ExpectBadStore("sqlite::memory:", {"name a file"});
  ExpectBadStore("sqlite://tracker.db", {"use sqlite:tracker.db"});
}

TEST_F(Startup, SqliteFilesThatCannotBe) {
  const std::string& folder = world_.folder();
  ExpectBadStore(absl::StrCat("sqlite:", folder, "/missing/tracker.db"),
                 {"there is no folder", "/missing", "make it"});
  ExpectBadStore("sqlite:" + folder, {"it is a folder", "name a file in it"});
  for (const size_t size : {10, 100, 10'000}) {
    const std::string text = absl::StrCat(folder, "/text", size);
    WriteFile(text, std::string(size, 't'));
    ExpectBadStore("sqlite:" + text, {text, "it is no SQLite database", "name another file"});
    EXPECT_EQ(ReadFile(text), std::string(size, 't'));
    EXPECT_FALSE(std::filesystem::exists(text + "-wal"));
  }
}

TEST_F(Startup, SqliteFilesThatMayNotBe) {
  const std::string closed = world_.folder() + "/closed";
  std::filesystem::create_directory(closed);
  chmod(closed.c_str(), 0500);
  ExpectBadStore(absl::StrCat("sqlite:", closed, "/tracker.db"),
                 {"no permission to write in folder", closed}, /*heed_permissions=*/true);
  const std::string file = world_.folder() + "/closed.db";
  WriteFile(file, "");
  chmod(file.c_str(), 0400);
  ExpectBadStore("sqlite:" + file, {"no permission to read and write it"},
                 /*heed_permissions=*/true);
}

TEST_F(Startup, PostgresThatIsNotThere) {
  const std::string host = absl::StrCat("127.0.0.1:", SharedPostgres().port());
  const std::string advice = "check that PostgreSQL runs there";
  const std::string said =
      ExpectBadStore("postgresql://me:sesame@127.0.0.1:1/x", {"127.0.0.1:1", "refused", advice});
  EXPECT_FALSE(absl::StrContains(said, "sesame"));
  ExpectBadStore("postgresql://postgres@no-such-host.invalid/x", {"no-such-host.invalid", advice});
  ExpectBadStore(absl::StrCat("postgresql://postgres@", host, "/missing"),
                 {"database \"missing\" does not exist", advice});
  ExpectBadStore(absl::StrCat("postgresql://nobody_known@", host, "/postgres"),
                 {"role \"nobody_known\" does not exist", advice});
  ExpectBadStore(absl::StrCat("postgresql://postgres@", host, "/postgres?bogus=1"), {"bogus"});
}

// However the URL is mistyped, in whatever way libpq would have quoted it.
TEST_F(Startup, NoPasswordIsShown) {
  const std::string host = absl::StrCat("127.0.0.1:", SharedPostgres().port());
  const std::string keywords = absl::StrCat("host=127.0.0.1 port=", SharedPostgres().port());
  for (const std::string& url : std::vector<std::string>{
           "postgresql://u:s%zzesame@h/db",
           "postgresql://u:sesame@[::1/db",
           "postgres:u:sesame@h/db",
           "postgresql:u:sesame@h/db",
           "u:sesame@h/db",
           "postgresql://u:1/sesame@h/db",
           "postgresql://u:p@sesame@h/db",
           "postgresql://u:p@sesame/x@h/db",
           "postgresql://h/db?password=p&sesame=x",
           "postgresql://h/db?password=p&sesame",
           "postgresql://u:sesame@h:port/db",
           "host=h password=p sesame",
           "host=h password='sesame",
           "hots=h password=sesame",
           absl::StrCat("postgresql://nobody:sesame@", host, "/db"),
           absl::StrCat("postgresql://nobody:ses%61me@", host, "/db?nonsense=1"),
           absl::StrCat(keywords, " user=nobody password=sesame"),
           absl::StrCat(keywords, " user=postgres dbname=nothing password='sesame'"),
           "postgresql://u:sesame@127.0.0.1:1/x?sslpassword=sesame",
       }) {
    SCOPED_TRACE(url);
    EXPECT_FALSE(absl::StrContains(ExpectBadStore(url, {}), "same"));
    const Ended migrated =
        world_.Run({ProgramPath("trackerd"), "migrate", "--store", url}, absl::Seconds(30));
    EXPECT_EQ(migrated.exit_code, kCannotStart);
    EXPECT_FALSE(absl::StrContains(migrated.out + migrated.err, "same")) << migrated.err;
  }
  // The shell takes a text without its quotes apart.
  EXPECT_FALSE(absl::StrContains(
      ExpectRefused({"--store", "host=h", "password=sesame"}, {"belongs to no flag"}), "same"));
}

TEST_F(Startup, ServesAStoreThatIsNamedByKeywordsAndHidesThePassword) {
  const std::string url = world_.NewStore(Kind::kPostgres);
  const std::string database = url.substr(url.rfind('/') + 1);
  const std::string keywords =
      absl::StrCat("host=127.0.0.1 port=", SharedPostgres().port(),
                   " user=postgres password='open sesame' dbname=", database);
  testing::TrackerdProcess& server = world_.Serve(keywords);
  Api api(server.address());
  EXPECT_EQ(api.Call(For<v1::CreateRequest>("a")).Verdict(), "OK");
  EXPECT_FALSE(absl::StrContains(server.Log(), "sesame")) << server.Log();
  EXPECT_TRUE(absl::StrContains(server.Log(), database)) << server.Log();
}

// What log rotation and service managers send.
TEST_F(Startup, AHangupChangesNothing) {
  testing::TrackerdProcess& server = world_.Serve(world_.NewStore(Kind::kSqlite));
  for (int i = 1; i <= 2; ++i) {
    kill(server.pid(), SIGHUP);
    EXPECT_TRUE(Await([&] {
      size_t events = 0;
      const std::string log = server.Log();
      for (size_t at = log.find(" reload "); at != std::string::npos;
           at = log.find(" reload ", at + 1))
        ++events;
      return events == static_cast<size_t>(i);
    })) << server.Log();
  }
  Api api(server.address());
  EXPECT_EQ(api.Call(For<v1::CreateRequest>("a")).Verdict(), "OK");
  const auto ended = server.StopBy(SIGTERM);
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ(*ended, 0);
}

TEST_F(Startup, PostgresThatMayNotBe) {
  const std::string url = world_.NewStore(Kind::kPostgres);
  {
    pqxx::connection connection(url);
    pqxx::nontransaction(connection).exec("CREATE ROLE limited LOGIN");
  }
  ExpectBadStore(absl::StrReplaceAll(url, {{"//postgres@", "//limited@"}}), {"permission denied"});
}

TEST_F(Startup, PortInUse) {
  const std::string address = world_.Serve(world_.NewStore(Kind::kSqlite)).address();
  ExpectRefused({"--listen", address, "--store", world_.NewStore(Kind::kSqlite)},
                {address, "in use", "choose another address"});
}

TEST_F(Startup, BadFlags) {
  ExpectRefused({"--no-such-flag"}, {"--no-such-flag", "see trackerd --help"});
  ExpectRefused({"--listen", "nowhere"}, {"'nowhere' is not HOST:PORT"});
  ExpectRefused({"--lanes", "many"}, {"--lanes", "'many'"});
  ExpectRefused({"--config", "/no/such/file"}, {"/no/such/file"});
  ExpectRefused({"migrate", "--no-migrate"}, {"--no-migrate", "leave one out"});
}

class Migration : public StoreTest {
 protected:
  Ended Migrate(const std::string& url) {
    return world_.Run({ProgramPath("trackerd"), "migrate", "--store", url});
  }
};

TEST_P(Migration, MayBeForbiddenAndDoneByItself) {
  const std::string url = world_.NewStore(GetParam());
  const std::vector<std::string> forbidden = {ProgramPath("trackerd"), "--listen", "127.0.0.1:0",
                                              "--no-migrate",          "--store",  url};
  const Ended refused = world_.Run(forbidden);
  EXPECT_EQ(refused.exit_code, kCannotStart);
  EXPECT_EQ(refused.err.find('\n'), refused.err.size() - 1) << refused.err;
  EXPECT_TRUE(absl::StrContains(refused.err, "trackerd migrate")) << refused.err;

  for (int i = 0; i < 2; ++i) {
    const Ended migrated = Migrate(url);
    EXPECT_EQ(migrated.exit_code, 0) << migrated.err;
  }
  Api api(world_.Serve(url, {"--no-migrate"}).address());
  EXPECT_EQ(api.Call(For<v1::CreateRequest>("a")).Verdict(), "OK");
}

// Starts trackerd without waiting for it.
class Starting {
 public:
  Starting(const std::string& url, const std::string& log) : log_(log) {
    auto pid =
        testing::StartChild({ProgramPath("trackerd"), "--listen", "127.0.0.1:0", "--store", url},
                            {.output_file = log, .die_with_parent = true});
    EXPECT_TRUE(pid.ok()) << pid.status();
    pid_ = pid.value_or(-1);
  }
  ~Starting() {
    if (pid_ <= 0) return;
    kill(pid_, SIGTERM);
    if (testing::WaitForChild(pid_, absl::Seconds(25), nullptr)) return;
    kill(pid_, SIGKILL);
    testing::WaitForChild(pid_, absl::Seconds(5), nullptr);
  }
  // Where it listens; empty until it does.
  std::string address() const {
    const std::string log = ReadFile(log_);
    const size_t event = log.find("listening");
    if (event == std::string::npos || log.find('\n', event) == std::string::npos) return "";
    const size_t begin = log.find("127.0.0.1:", event);
    return log.substr(begin, log.find_first_not_of("0123456789.:", begin) - begin);
  }
  std::string log() const { return ReadFile(log_); }

 private:
  const std::string log_;
  pid_t pid_ = -1;
};

TEST_P(Migration, FourServersMakeOneEmptyDatabaseTheirs) {
  const std::string url = world_.NewStore(GetParam());
  std::vector<std::unique_ptr<Starting>> servers;
  for (int i = 0; i < 4; ++i)
    servers.push_back(
        std::make_unique<Starting>(url, absl::StrCat(world_.folder(), "/server", i, ".log")));
  for (const auto& server : servers) {
    ASSERT_TRUE(Await([&] { return !server->address().empty(); })) << server->log();
  }
  for (size_t i = 0; i < servers.size(); ++i) {
    Api api(servers[i]->address());
    EXPECT_EQ(api.Call(For<v1::CreateRequest>(absl::StrCat("t", i))).Verdict(), "OK");
    EXPECT_EQ(api.ListAll(kJobs).size(), i + 1);
  }
}

INSTANTIATE_TEST_SUITE_P(Stores, Migration, BothKinds(), KindName);

}  // namespace
}  // namespace tracker::e2e
