// What is taken for the address of a PostgreSQL, and that nothing of a password is ever shown.
#include "src/store/postgres/connection_settings.h"

#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "src/store/store.h"

namespace tracker::store::postgres {
namespace {

// What libpq reads in the keywords.
std::map<std::string, std::string> AsLibpqReads(const std::string& keywords) {
  std::map<std::string, std::string> read;
  PQconninfoOption* options = PQconninfoParse(keywords.c_str(), nullptr);
  EXPECT_NE(options, nullptr) << keywords;
  for (PQconninfoOption* option = options; option && option->keyword; ++option) {
    if (option->val != nullptr) read[option->keyword] = option->val;
  }
  PQconninfoFree(options);
  return read;
}

std::map<std::string, std::string> Parsed(const std::string& text) {
  const auto settings = ParseConnectionSettings(text);
  EXPECT_TRUE(settings.ok()) << text << ": " << settings.status();
  return settings.ok() ? AsLibpqReads(settings->keywords) : std::map<std::string, std::string>();
}

TEST(ConnectionSettings, AUrlIsReadAsLibpqReadsIt) {
  for (const char* url : {
           "postgresql://",
           "postgresql://h",
           "postgres://u@h:5/db",
           "postgresql://u:p%40s%2Fs%25@h/d%20b",
           "postgresql://u:sec?ret@h/db",
           "postgresql://[::1]:5432/db",
           "postgresql://h1:1,h2,[fe80::1]:3/db?target_session_attrs=any",
           "postgresql://%2Fvar%2Frun/db",
           "postgresql:///db?host=/var/run&port=5433",
           "postgresql://h/db?ssl=true",
           "postgresql://u@/db?password=it's%20a%5Cb",
           "postgresql://:p@h",
           "host=h port=5 dbname=db user=u password=p",
           "  host = h  dbname='a b'  password='it\\'s \\\\'",
           "host=h password=a\\ b",
           "host=h password=a\\",
           "host='' dbname=db",
       }) {
    SCOPED_TRACE(url);
    std::map<std::string, std::string> ours = Parsed(url);
    std::map<std::string, std::string> theirs = AsLibpqReads(url);
    // Ours to add.
    for (const char* name : {"connect_timeout", "keepalives_idle", "keepalives_interval",
                             "keepalives_count", "tcp_user_timeout", "application_name"}) {
      EXPECT_TRUE(ours.contains(name)) << name;
      ours.erase(name);
    }
    EXPECT_EQ(ours, theirs);
  }
}

TEST(ConnectionSettings, TimeLimitsAreAddedWhereThereAreNone) {
  EXPECT_EQ(Parsed("postgresql://h/db")["connect_timeout"], "5");
  EXPECT_EQ(Parsed("host=h dbname=db")["connect_timeout"], "5");
  EXPECT_EQ(Parsed("postgresql://h/db?connect_timeout=9")["connect_timeout"], "9");
  EXPECT_EQ(Parsed("host=h connect_timeout=9")["connect_timeout"], "9");
  EXPECT_EQ(Parsed("host=h application_name='my app'")["application_name"], "my app");
  // In a value it is no parameter.
  EXPECT_EQ(Parsed("postgresql://u:connect_timeout@h/db")["connect_timeout"], "5");
}

TEST(ConnectionSettings, OfSeveralServersThePrimaryIsTaken) {
  for (const char* text : {"postgresql://u@a:1,b:2/db", "host=a,b port=1,2 user=u dbname=db",
                           "postgresql:///db?host=a,b&port=1,2&user=u"}) {
    SCOPED_TRACE(text);
    std::map<std::string, std::string> parsed = Parsed(text);
    EXPECT_EQ(parsed["host"], "a,b");
    EXPECT_EQ(parsed["port"], "1,2");
    EXPECT_EQ(parsed["target_session_attrs"], "read-write");
  }
  EXPECT_EQ(Parsed("postgresql://a,b/db?target_session_attrs=primary")["target_session_attrs"],
            "primary");
  EXPECT_EQ(Parsed("host=a,b target_session_attrs=primary")["target_session_attrs"], "primary");
  EXPECT_FALSE(Parsed("postgresql://a/db").contains("target_session_attrs"));
}

TEST(ConnectionSettings, EachServerIsThereByItself) {
  const auto servers = [](const std::string& text) {
    std::vector<std::string> shown;
    const auto settings = ParseConnectionSettings(text);
    EXPECT_TRUE(settings.ok()) << settings.status();
    for (const std::string& server : settings->servers) {
      std::map<std::string, std::string> read = AsLibpqReads(server);
      EXPECT_EQ(read["dbname"], "db");
      shown.push_back(absl::StrCat(read["hostaddr"], read["host"], ":", read["port"]));
    }
    return shown;
  };
  using Shown = std::vector<std::string>;
  EXPECT_EQ(servers("postgresql://a/db"), (Shown{"a:"}));
  EXPECT_EQ(servers("postgresql:///db"), (Shown{":"}));
  EXPECT_EQ(servers("postgresql://a:1,b:2/db"), (Shown{"a:1", "b:2"}));
  EXPECT_EQ(servers("postgresql://a,[::1]:3/db"), (Shown{"a:", "::1:3"}));
  EXPECT_EQ(servers("host=a,b,c port=5 dbname=db"), (Shown{"a:5", "b:5", "c:5"}));
  EXPECT_EQ(servers("hostaddr=1.1.1.1,2.2.2.2 dbname=db"), (Shown{"1.1.1.1:", "2.2.2.2:"}));
  EXPECT_EQ(servers("host=a,b,c port=5,6 dbname=db"), (Shown{"a,b,c:5,6"})) << "libpq's to refuse";
}

TEST(ConnectionSettings, WhatIsShownHasNoPassword) {
  const std::pair<const char*, const char*> texts[] = {
      {"postgresql://u:secret@h:5/db", "postgresql://u:***@h:5/db"},
      {"postgres://u:sec?ret@h/db", "postgres://u:***@h/db"},
      {"postgresql://u:s%65cret@h/db", "postgresql://u:***@h/db"},
      {"postgresql://u@h:5/db", "postgresql://u@h:5/db"},
      {"postgresql://h/db?sslpassword=secret&password=secret&user=u",
       "postgresql://h/db?sslpassword=***&password=***&user=u"},
      {"host=h password=secret dbname=db", "host=h password=*** dbname=db"},
      {"password = 'a secret' host=h", "password = '***' host=h"},
      {"sqlite:tracker.db", "sqlite:tracker.db"},
      {"mysql://u:secret@h/db", "mysql:***"},
      {"postgres:u:secret@h/db", "postgres:***"},
      {"secret", "***"},
  };
  for (const auto& [text, shown] : texts) EXPECT_EQ(WithoutPassword(text), shown);
}

struct Malformed {
  const char* text;
  // What is said of it.
  const char* word;
};

TEST(ConnectionSettings, WhatCannotBeReadIsNamedInOurWordsAndNotShown) {
  const Malformed texts[] = {
      {"postgresql://u:s%zzcret@h/db", "%25"},
      {"postgresql://u:secret%@h/db", "%25"},
      {"postgresql://u:secret%4@h/db", "%25"},
      {"postgresql://u:secret%00@h/db", "%25"},
      {"postgresql://u:secret@h%zz/db", "%25"},
      {"postgresql://u:secret@h/d%b", "%25"},
      {"postgresql://u:secret@h/db?user=%x", "%25"},
      {"postgresql://u:secret@[::1/db", "["},
      {"postgresql://u:secret@[]/db", "no address"},
      {"postgresql://u:secret@[::1]secret/db", "]"},
      {"postgresql://u:secret@h:secret/db", "port"},
      {"postgresql://u:secret@h:0/db", "port"},
      {"postgresql://u:secret@h:65536/db", "port"},
      {"postgresql://u:secret@h/db?port=secret", "port"},
      // Characters in a password that should have been %XX: whatever libpq would take its pieces
      // for.
      {"postgresql://u:se@secret@h/db", "%40"},
      {"postgresql://u:x/secret@h/db", "%2F"},
      {"postgresql://u:1/secret@h/db", "%2F"},
      {"postgresql://u:x@secret/x@h/db", "%40"},
      {"postgresql://u:x@secret?x@h/db", "without a ="},
      {"postgresql://u:x@h?secret=x@h/db", "unknown parameter"},
      {"postgresql://h?password=x@secret", "%40"},
      {"postgresql://h/db?secret", "without a ="},
      {"postgresql://h/db?password=x&secret", "without a ="},
      {"postgresql://h/db?password=x&secret=x", "an unknown parameter"},
      {"postgresql://h/db?password=x=secret", "two ="},
      {"postgresql://h/db?pasword=secret", "'pasword'"},
      {"host=h password=a secret", "quotes"},
      {"host=h password=a secret=b", "an unknown parameter"},
      {"host=h password='secret", "quote"},
      {"host=h pasword=secret", "'pasword'"},
      {"host=h port=secret", "port"},
  };
  for (const auto& [text, word] : texts) {
    SCOPED_TRACE(text);
    const auto settings = ParseConnectionSettings(text);
    ASSERT_FALSE(settings.ok());
    const std::string said(settings.status().message());
    EXPECT_TRUE(absl::StrContains(said, word)) << said;
    EXPECT_FALSE(absl::StrContains(said, "secret") || absl::StrContains(said, "cret")) << said;
    EXPECT_FALSE(absl::StrContains(WithoutPassword(text), "cret")) << WithoutPassword(text);
    const auto opened = Open(text, {});
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.status().code(), absl::StatusCode::kInvalidArgument) << opened.status();
    EXPECT_FALSE(absl::StrContains(opened.status().message(), "cret")) << opened.status();
  }
}

TEST(ConnectionSettings, WhatTheDatabaseSaysIsShownWithoutThePassword) {
  const auto settings = ParseConnectionSettings("postgresql://u:s%65cret@h/db");
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(WithoutSecrets(*settings, "no secret is s%65cret here"), "no *** is *** here");
}

}  // namespace
}  // namespace tracker::store::postgres
