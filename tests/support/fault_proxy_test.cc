// Between a client and a server that answers each message with itself, over plain TCP and over
// gRPC.
#include "tests/support/fault_proxy.h"

#include <arpa/inet.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace tracker::testing {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);
// Long enough to see that nothing comes.
constexpr absl::Duration kSilence = absl::Milliseconds(200);

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

// Answers what it gets with the same, and counts it.
class EchoServer {
 public:
  EchoServer() {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 16), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Run(); });
  }
  ~EchoServer() {
    stopping_ = true;
    thread_.join();
    close(listener_);
  }

  int port() const { return port_; }
  int64_t received() const { return received_; }
  int open() const { return open_; }

 private:
  void Run() {
    std::vector<pollfd> sockets = {{listener_, POLLIN, 0}};
    while (!stopping_) {
      if (poll(sockets.data(), sockets.size(), 10) <= 0) continue;
      for (size_t i = sockets.size() - 1; i > 0; --i) {
        if (sockets[i].revents == 0) continue;
        char bytes[4096];
        const ssize_t n = recv(sockets[i].fd, bytes, sizeof(bytes), 0);
        if (n > 0) {
          received_ += n;
          EXPECT_EQ(send(sockets[i].fd, bytes, n, MSG_NOSIGNAL), n);
          continue;
        }
        close(sockets[i].fd);
        sockets.erase(sockets.begin() + static_cast<ptrdiff_t>(i));
        --open_;
      }
      if (sockets[0].revents != 0) {
        sockets.push_back({accept(listener_, nullptr, nullptr), POLLIN, 0});
        ++open_;
      }
    }
    for (size_t i = 1; i < sockets.size(); ++i) close(sockets[i].fd);
  }

  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> received_{0};
  std::atomic<int> open_{0};
  std::thread thread_;
};

class Caller {
 public:
  explicit Caller(int port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = Loopback(port);
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  ~Caller() { close(socket_); }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  void Send(const std::string& text) const {
    (void)send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
  }
  // What comes; or "closed", "reset", "silence".
  std::string Receive(absl::Duration patience = kPatience) const {
    pollfd waiting = {socket_, POLLIN, 0};
    if (poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(patience))) == 0) {
      return "silence";
    }
    char bytes[4096];
    const ssize_t n = recv(socket_, bytes, sizeof(bytes), 0);
    if (n < 0) return errno == ECONNRESET ? "reset" : "error";
    return n == 0 ? "closed" : std::string(bytes, static_cast<size_t>(n));
  }
  std::string Ask(const std::string& text, absl::Duration patience = kPatience) const {
    Send(text);
    return Receive(patience);
  }

 private:
  const int socket_;
};

template <typename Condition>
bool Await(const Condition& condition) {
  const absl::Time end = absl::Now() + kPatience;
  while (!condition()) {
    if (absl::Now() > end) return false;
    absl::SleepFor(absl::Milliseconds(1));
  }
  return true;
}

class FaultProxyTest : public ::testing::Test {
 protected:
  FaultProxyTest() : proxy_(*FaultProxy::Start(server_.port())) {}

  EchoServer server_;
  std::unique_ptr<FaultProxy> proxy_;
};

TEST_F(FaultProxyTest, PassesOnWhatItGetsAndTheEnd) {
  {
    const Caller a(proxy_->port()), b(proxy_->port());
    EXPECT_EQ(a.Ask("one"), "one");
    EXPECT_EQ(b.Ask("two"), "two");
    EXPECT_EQ(proxy_->open(), 2);
  }
  EXPECT_TRUE(Await([&] { return server_.open() == 0 && proxy_->open() == 0; }));
  EXPECT_EQ(proxy_->counts().accepted, 2);
  EXPECT_EQ(proxy_->counts().bytes, 12);
}

TEST_F(FaultProxyTest, PassesMoreOnThanFitsIntoTheSockets) {
  const Caller caller(proxy_->port());
  const std::string much(16 << 20, 'x');
  std::thread sender([&] { caller.Send(much); });
  size_t got = 0;
  while (got < much.size()) {
    const std::string piece = caller.Receive();
    ASSERT_EQ(piece.substr(0, 1), "x");
    got += piece.size();
  }
  sender.join();
  EXPECT_EQ(got, much.size());
}

TEST_F(FaultProxyTest, DelaysEachConnectionBesideTheOthers) {
  constexpr absl::Duration kDelay = absl::Milliseconds(300);
  proxy_->Delay(kDelay);
  std::vector<std::unique_ptr<Caller>> callers(10);
  for (auto& caller : callers) caller = std::make_unique<Caller>(proxy_->port());
  const absl::Time begin = absl::Now();
  for (const auto& caller : callers) caller->Send("x");
  for (const auto& caller : callers) EXPECT_EQ(caller->Receive(), "x");
  const absl::Duration took = absl::Now() - begin;
  EXPECT_GE(took, 2 * kDelay);
  EXPECT_LT(took, 6 * kDelay) << "one after the other";
  proxy_->Heal();
  EXPECT_EQ(callers[0]->Ask("y"), "y");
}

TEST_F(FaultProxyTest, CutsAllThatIsThereAndNothingThatComes) {
  const Caller before(proxy_->port());
  ASSERT_EQ(before.Ask("x"), "x");
  proxy_->CutAll();
  EXPECT_EQ(before.Receive(), "reset");
  EXPECT_TRUE(Await([&] { return server_.open() == 0; }));
  EXPECT_EQ(proxy_->counts().cut, 1);
  EXPECT_EQ(Caller(proxy_->port()).Ask("x"), "x");
}

TEST_F(FaultProxyTest, LosesTheAnswerOfSoManyRequests) {
  proxy_->CutAfterRequest(2);
  for (int i = 1; i <= 2; ++i) {
    EXPECT_EQ(Caller(proxy_->port()).Ask("x"), "closed");
    EXPECT_EQ(server_.received(), i);
  }
  EXPECT_EQ(Caller(proxy_->port()).Ask("x"), "x");
  EXPECT_EQ(proxy_->counts().lost_answers, 2);
}

TEST_F(FaultProxyTest, LosesTheAnswerOfTheRequestThatIsMeantAfterWhatIsDoneMeanwhile) {
  const Caller caller(proxy_->port()), other(proxy_->port());
  std::string meanwhile;
  proxy_->CutAfterRequest(1, {"COMMIT", "a"}, [&] { meanwhile = other.Ask("COMMIT b"); });
  EXPECT_EQ(caller.Ask("a"), "a");
  EXPECT_EQ(caller.Ask("COMMIT a"), "closed");
  EXPECT_EQ(meanwhile, "COMMIT b");
}

TEST_F(FaultProxyTest, LosesAnAnswerByWhatIsInIt) {
  const Caller caller(proxy_->port());
  proxy_->LoseAnswerWith("needle");
  EXPECT_EQ(caller.Ask("hay"), "hay");
  EXPECT_EQ(caller.Ask("a needle"), "closed");
}

TEST_F(FaultProxyTest, LosesARequestAndLeavesTheServerWaiting) {
  proxy_->LoseRequest(1);
  {
    const Caller caller(proxy_->port());
    EXPECT_NE(caller.Ask("x"), "x");
  }
  EXPECT_EQ(Caller(proxy_->port()).Ask("yy"), "yy");
  EXPECT_EQ(server_.received(), 2);
  EXPECT_TRUE(Await([&] { return server_.open() == 1; })) << "not that of the lost request";
  EXPECT_EQ(proxy_->counts().lost_requests, 1);
  proxy_->Heal();
  EXPECT_TRUE(Await([&] { return server_.open() == 0; }));
}

TEST_F(FaultProxyTest, HalfOpenNothingPassesAndAllIsClosedInTheEnd) {
  const Caller before(proxy_->port());
  ASSERT_EQ(before.Ask("x"), "x");
  proxy_->HalfOpen(true);
  const Caller meanwhile(proxy_->port());
  before.Send("y");
  meanwhile.Send("y");
  EXPECT_EQ(before.Receive(kSilence), "silence");
  EXPECT_EQ(meanwhile.Receive(kSilence), "silence");
  EXPECT_EQ(server_.received(), 1);
  EXPECT_EQ(server_.open(), 1);
  proxy_->HalfOpen(false);
  EXPECT_EQ(before.Receive(), "reset");
  EXPECT_EQ(meanwhile.Receive(), "reset");
  EXPECT_EQ(server_.received(), 1);
  EXPECT_EQ(Caller(proxy_->port()).Ask("z"), "z");
}

TEST_F(FaultProxyTest, RefusesNewConnectionsOnly) {
  const Caller before(proxy_->port());
  ASSERT_EQ(before.Ask("x"), "x");
  proxy_->Refuse(true);
  EXPECT_NE(Caller(proxy_->port()).Ask("x"), "x");
  EXPECT_EQ(before.Ask("y"), "y");
  EXPECT_EQ(proxy_->counts().refused, 1);
  proxy_->Heal();
  EXPECT_EQ(Caller(proxy_->port()).Ask("x"), "x");
}

TEST_F(FaultProxyTest, GoesToAServerThatHasComeBackElsewhere) {
  const EchoServer other;
  proxy_->SetServerPort(other.port());
  EXPECT_EQ(Caller(proxy_->port()).Ask("x"), "x");
  EXPECT_EQ(other.received(), 1);
  EXPECT_EQ(server_.received(), 0);
  proxy_->SetServerPort(1);
  EXPECT_NE(Caller(proxy_->port()).Ask("x"), "x") << "nobody is there";
}

// Counts the calls, and answers them after some time: by then the server has sent what is no
// answer.
class SlowService : public grpc::CallbackGenericService {
 public:
  int calls() const { return calls_; }

 private:
  class Call : public grpc::ServerGenericBidiReactor {
   public:
    explicit Call(SlowService* service) : service_(service) { StartRead(&request_); }
    void OnReadDone(bool ok) override {
      if (!ok) return Finish(grpc::Status::CANCELLED);
      absl::SleepFor(absl::Milliseconds(100));
      ++service_->calls_;
      StartWriteAndFinish(&request_, {}, grpc::Status::OK);
    }
    void OnDone() override { delete this; }

   private:
    SlowService* const service_;
    grpc::ByteBuffer request_;
  };
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override {
    return new Call(this);
  }

  std::atomic<int> calls_{0};
};

class FaultProxyGrpcTest : public ::testing::Test {
 protected:
  FaultProxyGrpcTest() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterCallbackGenericService(&service_);
    server_ = builder.BuildAndStart();
    proxy_ = *FaultProxy::Start(port);
  }
  ~FaultProxyGrpcTest() override { server_->Shutdown(std::chrono::system_clock::now()); }

  // Over a connection of its own: a call that comes just after a loss may meet what is left of the
  // lost connection, and fail within the client.
  grpc::StatusCode Ask() {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    // What was never sent would be sent again by the client itself.
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    grpc::GenericStub stub(grpc::CreateCustomChannel(
        absl::StrCat("127.0.0.1:", proxy_->port()), grpc::InsecureChannelCredentials(), arguments));
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    const grpc::Slice slice("x");
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    grpc::CompletionQueue queue;
    grpc::Status status;
    auto call = stub.PrepareUnaryCall(&context, "/a.Service/Method", request, &queue);
    call->StartCall();
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return status.error_code();
  }

  SlowService service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<FaultProxy> proxy_;
};

TEST_F(FaultProxyGrpcTest, ACallWhoseAnswerIsLostHasBeenDone) {
  EXPECT_EQ(Ask(), grpc::StatusCode::OK);
  for (int i = 0; i < 5; ++i) {
    const int before = service_.calls();
    proxy_->CutAfterRequest(1);
    EXPECT_EQ(Ask(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(service_.calls(), before + 1) << "cut before the server had answered";
    EXPECT_EQ(proxy_->counts().lost_answers, i + 1);
  }
  EXPECT_EQ(Ask(), grpc::StatusCode::OK);
}

TEST_F(FaultProxyGrpcTest, ACallWhoseRequestIsLostHasNotBeenDone) {
  EXPECT_EQ(Ask(), grpc::StatusCode::OK);
  proxy_->LoseRequest(3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Ask(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(service_.calls(), 1);
  EXPECT_EQ(proxy_->counts().lost_requests, 3);
  EXPECT_EQ(Ask(), grpc::StatusCode::OK);
}

}  // namespace
}  // namespace tracker::testing
