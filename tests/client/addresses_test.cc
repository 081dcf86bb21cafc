// Addresses and connection options as users write them.
#include "client/src/addresses.h"

#include <gtest/gtest.h>

#include "tracker/client.h"

namespace tracker::testing {
namespace {

using Targets = std::vector<std::string>;

TEST(Addresses, AreTakenAsWritten) {
  const std::pair<const char*, Targets> cases[] = {
      {"tracker:7070", {"tracker:7070"}},
      {"tracker", {"tracker:7070"}},
      {"[::1]", {"[::1]:7070"}},
      {"[::1]:80", {"[::1]:80"}},
      {"127.0.0.1:1", {"127.0.0.1:1"}},
      {" a:1 , b , unix:/run/t.sock", {"a:1", "b:7070", "unix:/run/t.sock"}},
      {"dns:///tracker.svc:7070", {"dns:///tracker.svc:7070"}},
  };
  for (const auto& [text, targets] : cases) {
    const auto parsed = internal::ParseAddresses(text);
    ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.status();
    EXPECT_EQ(*parsed, targets) << text;
  }
}

TEST(Addresses, WrongOnesAreRefusedWithWhatToDo) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "is empty"},           {"a:1,,b:2", "is empty"},    {"a:", "port"},
      {"a:99999", "port"},        {"a:http", "port"},          {":7070", "host"},
      {"::1", "brackets"},        {"http://a:1", "leave out"}, {"a:1/x", "leave out"},
      {"a b:1", "odd character"}, {"a\n:1", "odd character"},
  };
  for (const auto& [text, why] : cases) {
    const absl::Status status = internal::ParseAddresses(text).status();
    EXPECT_EQ(ReasonOf(status), Reason::kInvalidArgument) << text;
    EXPECT_NE(status.message().find(why), absl::string_view::npos) << status;
    EXPECT_EQ(status.message().substr(0, 8), "address:") << status;
  }
  std::string many = "a:1";
  for (int i = 0; i < 40; ++i) many += ",a:1";
  EXPECT_FALSE(internal::ParseAddresses(many).ok());
  EXPECT_FALSE(internal::ParseAddresses(std::string(5000, 'a')).ok());
}

TEST(Connect, WrongOptionsAreToldByEachCall) {
  const auto told = [](const std::string& address, ClientOptions options, const char* what) {
    const auto client = Client::Connect(address, std::move(options));
    for (const absl::Status& status :
         {client->Start("jobs", "a").status(), client->Get("jobs", "a").status(),
          client->CreateAll({{"jobs", "a"}})[0].status(), client->Count().status(),
          client->List({.name_space = "jobs"}).status(), client->Claim("jobs").status()}) {
      EXPECT_EQ(ReasonOf(status), Reason::kInvalidArgument) << status;
      EXPECT_NE(status.message().find(what), absl::string_view::npos) << status;
    }
  };
  told("no port:", {}, "address: ");
  told("a:1", {.token = "secret"}, "token: would be sent without TLS");
  told("a:1", {.token = "two words", .token_in_clear = true}, "token: has a space");
  told("a:1", {.token = std::string(10000, 'x'), .token_in_clear = true}, "token: has more than");
  told("a:1", {.tls = TlsOptions{.private_key = "x"}}, "tls: certificate_chain and private_key");
}

}  // namespace
}  // namespace tracker::testing
