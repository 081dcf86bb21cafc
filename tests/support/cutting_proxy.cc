#include "tests/support/cutting_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/strings/match.h"
#include "absl/time/clock.h"

namespace tracker::testing {
namespace {

constexpr int kPollMilliseconds = 20;

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

bool SendAll(int to, const std::string& bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n = send(to, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return false;
    sent += static_cast<size_t>(n);
  }
  return true;
}

// What there is to read; empty: the other side has closed.
std::string Receive(int from) {
  std::string bytes(64 * 1024, '\0');
  const ssize_t n = recv(from, bytes.data(), bytes.size(), 0);
  bytes.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return bytes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CuttingProxy>> CuttingProxy::Start(int server_port) {
  std::unique_ptr<CuttingProxy> proxy(new CuttingProxy);
  proxy->listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  if (proxy->listener_ < 0 ||
      bind(proxy->listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(proxy->listener_, 64) != 0 ||
      getsockname(proxy->listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return absl::ErrnoToStatus(errno, "the proxy cannot listen");
  }
  proxy->port_ = ntohs(address.sin_port);
  proxy->acceptor_ = std::thread([raw = proxy.get(), server_port] { raw->Accept(server_port); });
  return proxy;
}

CuttingProxy::~CuttingProxy() {
  stopping_ = true;
  if (acceptor_.joinable()) acceptor_.join();
  std::vector<std::thread> servers;
  {
    absl::MutexLock lock(&mutex_);
    servers.swap(servers_);
  }
  for (std::thread& server : servers) server.join();
  if (listener_ >= 0) close(listener_);
  absl::MutexLock lock(&mutex_);
  for (const int server : left_open_) close(server);
}

void CuttingProxy::Accept(int server_port) {
  while (!stopping_) {
    pollfd waiting = {listener_, POLLIN, 0};
    if (poll(&waiting, 1, kPollMilliseconds) <= 0) continue;
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = Loopback(server_port);
    if (client < 0 || connect(server, reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0) {
      close(client);
      close(server);
      continue;
    }
    absl::MutexLock lock(&mutex_);
    servers_.emplace_back([this, client, server] { Serve(client, server); });
  }
}

bool CuttingProxy::IsMarked(const std::string& bytes) {
  absl::MutexLock lock(&mutex_);
  if (marker_.empty() || !absl::StrContains(bytes, marker_)) return false;
  marker_.clear();
  return true;
}

bool CuttingProxy::IsToLose(const std::string& bytes, std::function<void()>* meanwhile) {
  if (!absl::StrContains(bytes, "COMMIT")) return false;
  absl::MutexLock lock(&mutex_);
  if (to_lose_ > 0) {
    --to_lose_;
    return true;
  }
  if (lost_commit_.text.empty() || !absl::StrContains(bytes, lost_commit_.text)) return false;
  *meanwhile = std::move(lost_commit_.meanwhile);
  lost_commit_ = {};
  return true;
}

bool CuttingProxy::IsToSwallow(const std::string& bytes, std::function<void()>* meanwhile) {
  absl::MutexLock lock(&mutex_);
  if (swallowed_commit_.text.empty() || !absl::StrContains(bytes, "COMMIT") ||
      !absl::StrContains(bytes, swallowed_commit_.text)) {
    return false;
  }
  *meanwhile = std::move(swallowed_commit_.meanwhile);
  swallowed_commit_ = {};
  return true;
}

void CuttingProxy::Serve(int client, int server) {
  bool losing = false;
  std::function<void()> meanwhile;
  while (!stopping_) {
    pollfd both[] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    if (poll(both, 2, kPollMilliseconds) <= 0) continue;
    if (both[0].revents != 0) {
      const std::string bytes = Receive(client);
      losing = losing || IsToLose(bytes, &meanwhile);
      if (IsToSwallow(bytes, &meanwhile)) {
        if (meanwhile) meanwhile();
        ++lost_;
        absl::MutexLock lock(&mutex_);
        left_open_.push_back(server);
        close(client);
        return;
      }
      if (bytes.empty() || !SendAll(server, bytes)) break;
    }
    if (both[1].revents != 0) {
      const std::string bytes = Receive(server);
      if (losing || IsMarked(bytes)) {
        // The server has answered, so it has committed.
        if (meanwhile) meanwhile();
        ++lost_;
        break;
      }
      absl::SleepFor(absl::Milliseconds(delay_ms_.load()));
      if (bytes.empty() || !SendAll(client, bytes)) break;
    }
  }
  close(client);
  close(server);
}

}  // namespace tracker::testing
