// How the client connects: TLS, tokens, several servers. Against real gRPC servers in this process,
// which serve one call.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <sstream>

#include "client/src/grpc_transport.h"
#include "tracker/client.h"
#include "tracker/v1/tracker.grpc.pb.h"

namespace tracker::testing {
namespace {

// Answers Get with a task, and remembers who asked.
class Server final : public v1::TrackerService::Service {
 public:
  explicit Server(std::shared_ptr<grpc::ServerCredentials> credentials,
                  const std::string& address = "localhost:0") {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, credentials, &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~Server() override { Stop(); }
  void Stop() {
    if (server_) server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }

  grpc::Status Get(grpc::ServerContext* context, const v1::GetRequest* request,
                   v1::GetResponse* response) override {
    ++calls;
    const auto& metadata = context->client_metadata();
    const auto found = metadata.find("authorization");
    authorization =
        found == metadata.end() ? "none" : std::string(found->second.data(), found->second.size());
    const auto names = context->auth_context()->FindPropertyValues("x509_common_name");
    peer = names.empty() ? "none" : std::string(names[0].data(), names[0].size());
    response->mutable_task()->set_id(request->id());
    return grpc::Status::OK;
  }

  std::string address() const { return "localhost:" + std::to_string(port_); }

  std::atomic<int> calls = 0;
  std::string authorization, peer;

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

std::string Read(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// An authority, and what it has signed: made once, by openssl.
class Tls : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string folder = (std::filesystem::temp_directory_path() / "tracker_tls.XXXXXX").string();
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    for (const char* name : {"ca", "other_ca"}) Make(name, "");
    Make("server", "subjectAltName=DNS:tracker.example");
    Make("client", "subjectAltName=DNS:worker.example");
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder_); }

  static void Make(const std::string& name, const std::string& extension) {
    const std::string base = folder_ + "/" + name;
    std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=" +
        name + " -keyout " + base + ".key -out " + base + ".crt";
    if (!extension.empty())
      command += " -addext " + extension + " -addext basicConstraints=critical,CA:FALSE -CA " +
                 folder_ + "/ca.crt -CAkey " + folder_ + "/ca.key";
    command += " 2>" + folder_ + "/log";
    ASSERT_EQ(std::system(command.c_str()), 0) << command << "\n" << Read(folder_ + "/log");
  }
  static std::string Pem(const std::string& name) { return Read(folder_ + "/" + name); }

  static std::shared_ptr<grpc::ServerCredentials> Credentials(bool ask_for_client = false) {
    grpc::SslServerCredentialsOptions options(
        ask_for_client ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                       : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
    options.pem_root_certs = Pem("ca.crt");
    options.pem_key_cert_pairs.push_back({Pem("server.key"), Pem("server.crt")});
    return grpc::SslServerCredentials(options);
  }
  // What is refused is repeated until the deadline: a server may be about to get its certificate.
  static absl::Status Ask(const Server& server, ClientOptions options,
                          absl::Duration deadline = absl::Seconds(10)) {
    options.deadline = deadline;
    return Client::Connect(server.address(), std::move(options))->Get("jobs", "a").status();
  }

  static inline std::string folder_;
};

TEST_F(Tls, ServerThatTheAuthorityKnowsIsTrusted) {
  Server server(Credentials());
  const absl::Status status =
      Ask(server,
          {.tls = TlsOptions{.ca_certificates = Pem("ca.crt"), .server_name = "tracker.example"},
           .token = "secret"});
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(server.authorization, "Bearer secret");
}

TEST_F(Tls, StrangersAreNotTrusted) {
  Server server(Credentials());
  const auto refused = [&](TlsOptions tls) {
    const absl::Status status =
        Ask(server, {.tls = std::move(tls), .token = "secret"}, absl::Seconds(1));
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_EQ(server.calls, 0);
  };
  refused({.ca_certificates = Pem("other_ca.crt"), .server_name = "tracker.example"});
  refused({.ca_certificates = Pem("ca.crt"), .server_name = "another.example"});
  refused({.ca_certificates = Pem("ca.crt")});  // its name is not localhost
  EXPECT_FALSE(Ask(server, {}, absl::Seconds(1)).ok()) << "without TLS";
}

TEST_F(Tls, ClientShowsItsOwnCertificate) {
  Server server(Credentials(/*ask_for_client=*/true));
  TlsOptions tls{.ca_certificates = Pem("ca.crt"), .server_name = "tracker.example"};
  EXPECT_FALSE(Ask(server, {.tls = tls}, absl::Seconds(1)).ok());
  tls.certificate_chain = Pem("client.crt");
  tls.private_key = Pem("client.key");
  const absl::Status status = Ask(server, {.tls = tls});
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(server.peer, "client");
}

TEST(Connection, TokenInTheClearOnlyWhereItIsAllowed) {
  Server server(grpc::InsecureServerCredentials());
  EXPECT_EQ(
      ReasonOf(Client::Connect(server.address(), {.token = "secret"})->Get("jobs", "a").status()),
      Reason::kInvalidArgument);
  EXPECT_EQ(server.calls, 0);
  EXPECT_TRUE(Client::Connect(server.address(), {.token = "secret", .token_in_clear = true})
                  ->Get("jobs", "a")
                  .ok());
  EXPECT_EQ(server.authorization, "Bearer secret");
  EXPECT_TRUE(Client::Connect(server.address())->Get("jobs", "a").ok());
  EXPECT_EQ(server.authorization, "none");
}

TEST(Connection, SeveralServersAreAskedInTurn) {
  Server a(grpc::InsecureServerCredentials()), b(grpc::InsecureServerCredentials()),
      c(grpc::InsecureServerCredentials());
  const auto client = Client::Connect(a.address() + "," + b.address() + ", " + c.address());
  // Until it is connected to all of them.
  while (a.calls == 0 || b.calls == 0 || c.calls == 0) ASSERT_TRUE(client->Get("jobs", "a").ok());
  const int before[] = {a.calls, b.calls, c.calls};
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(client->Get("jobs", "a").ok());
  EXPECT_EQ(a.calls - before[0], 10);
  EXPECT_EQ(b.calls - before[1], 10);
  EXPECT_EQ(c.calls - before[2], 10);

  b.Stop();
  for (int i = 0; i < 30; ++i) {
    const auto got = client->Get("jobs", "a");
    ASSERT_TRUE(got.ok()) << got.status();
  }
  EXPECT_EQ(b.calls, before[1] + 10);
}

TEST(Connection, ServerThatIsNotThereIsPassedBy) {
  Server there(grpc::InsecureServerCredentials());
  std::string nobody;
  {
    Server gone(grpc::InsecureServerCredentials());
    nobody = gone.address();
  }
  const auto client =
      Client::Connect(nobody + "," + there.address(), {.deadline = absl::Seconds(20)});
  for (int i = 0; i < 20; ++i) {
    const auto got = client->Get("jobs", "a");
    ASSERT_TRUE(got.ok()) << got.status();
  }
}

// A heartbeat may be on its way when the client goes: then its callback, on a thread of gRPC's own,
// is what needs the channel last.
TEST(Connection, ClientMayGoBeforeItsLastCallIsAnswered) {
  Server server(grpc::InsecureServerCredentials());
  for (int i = 0; i < 20; ++i) {
    auto transport = internal::NewGrpcTransport(server.address(), {});
    ASSERT_TRUE(transport.ok()) << transport.status();
    std::promise<void> client_gone;
    const auto answered = std::make_shared<std::promise<absl::StatusCode>>();
    auto answer = answered->get_future();
    internal::Transport& sending = **transport;
    // Either the callback has the transport, or nobody has.
    sending.Batch({}, {absl::Seconds(30), {}, /*wait_for_connection=*/true},
                  [gone = client_gone.get_future().share(), answered,
                   held = i % 2 ? *transport : nullptr](const auto& response) {
                    gone.wait();
                    answered->set_value(response.status().code());
                  });
    transport->reset();
    client_gone.set_value();
    EXPECT_EQ(answer.get(), absl::StatusCode::kUnimplemented);
  }
}

}  // namespace
}  // namespace tracker::testing
