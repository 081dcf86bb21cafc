#include "tests/support/fault_proxy.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "tests/support/http2_requests.h"
#include "tests/support/in_transit.h"
#include "tests/support/loopback.h"

namespace tracker::testing {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kServerLeftOpen(30);

}  // namespace

// A client's connection and the one to the server that stands for it.
struct FaultProxy::Link {
  bool closed() const { return client < 0 && server < 0; }
  void CloseBoth() {
    CloseSocket(&client);
    CloseSocket(&server);
  }
  void ResetBoth() {
    ResetSocket(&client);
    ResetSocket(&server);
  }

  int client = -1;
  int server = -1;
  bool connecting = true;
  InTransit requests;
  InTransit answers;
  std::optional<bool> is_http2;
  Http2Requests http2;

  // HalfOpen has taken hold of it.
  bool silent = false;
  // The answer to what the client has asked is to be lost; on HTTP/2 the answers on these streams.
  bool losing = false;
  std::vector<uint32_t> losing_streams;
  std::function<void()> meanwhile;
  // `meanwhile` runs on it, or has run: then the link is closed.
  std::thread meanwhile_thread;
  bool meanwhile_over = false;
  // The client is gone, and the server has not heard of it.
  std::optional<Clock::time_point> server_open_until;

  bool stalled() const { return silent || meanwhile_thread.joinable() || server_open_until; }
};

// What the thread waits for.
struct FaultProxy::Waiting {
  std::vector<std::shared_ptr<Link>> links;
  // The bell, the listener, and two for each link: its client and its server.
  std::vector<pollfd> sockets;
  int timeout_ms = -1;

  void Until(Clock::time_point time) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(time - Clock::now()).count();
    const int ms = static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
    timeout_ms = timeout_ms < 0 ? ms : std::min(timeout_ms, ms);
  }
};

bool FaultProxy::Loss::Takes(const std::string& bytes) {
  if (count == 0) return false;
  for (const std::string& text : texts) {
    if (!absl::StrContains(bytes, text)) return false;
  }
  --count;
  return true;
}

FaultProxy::FaultProxy() = default;

absl::StatusOr<std::unique_ptr<FaultProxy>> FaultProxy::Start(int server_port) {
  std::unique_ptr<FaultProxy> proxy(new FaultProxy);
  proxy->SetServerPort(server_port);
  if (absl::Status status = proxy->Listen(); !status.ok()) return status;
  proxy->thread_ = std::thread([raw = proxy.get()] { raw->Run(); });
  return proxy;
}

absl::Status FaultProxy::Listen() {
  bell_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (bell_ < 0) return absl::ErrnoToStatus(errno, "cannot make an eventfd");
  const absl::StatusOr<int> listener = ListenOnFreePort(&port_);
  if (!listener.ok()) return listener.status();
  listener_ = *listener;
  return absl::OkStatus();
}

FaultProxy::~FaultProxy() {
  if (thread_.joinable()) {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    Wake();
    thread_.join();
  }
  std::vector<std::shared_ptr<Link>> links;
  {
    const std::lock_guard lock(mutex_);
    links.swap(links_);
  }
  for (const std::shared_ptr<Link>& link : links) {
    if (link->meanwhile_thread.joinable()) link->meanwhile_thread.join();
    link->CloseBoth();
  }
  CloseSocket(&listener_);
  CloseSocket(&bell_);
}

void FaultProxy::Wake() const { (void)eventfd_write(bell_, 1); }

void FaultProxy::Command(const std::function<void()>& change) {
  std::unique_lock lock(mutex_);
  change();
  const int64_t mine = ++commanded_;
  Wake();
  has_obeyed_.wait(lock, [this, mine] { return obeyed_ >= mine; });
}

void FaultProxy::SetServerPort(int server_port) {
  const std::lock_guard lock(mutex_);
  server_port_ = server_port;
}

void FaultProxy::Delay(absl::Duration delay) {
  const std::lock_guard lock(mutex_);
  request_delay_ = answer_delay_ = delay;
}

void FaultProxy::DelayAnswers(absl::Duration delay) {
  const std::lock_guard lock(mutex_);
  answer_delay_ = delay;
}

void FaultProxy::CutAll() {
  Command([this]() { cut_all_ = true; });
}

void FaultProxy::HalfOpen(bool half_open) {
  Command([this, half_open]() { half_open_ = half_open; });
}

void FaultProxy::Refuse(bool refuse) {
  const std::lock_guard lock(mutex_);
  refuse_ = refuse;
}

void FaultProxy::Heal() {
  Command([this]() {
    request_delay_ = answer_delay_ = absl::ZeroDuration();
    half_open_ = refuse_ = false;
    lost_request_ = lost_answer_ = {};
    marker_.clear();
    heal_ = true;
  });
}

void FaultProxy::CutAfterRequest(int count, std::vector<std::string> texts,
                                 std::function<void()> meanwhile) {
  const std::lock_guard lock(mutex_);
  lost_answer_ = {count, std::move(texts), std::move(meanwhile)};
}

void FaultProxy::LoseRequest(int count, std::vector<std::string> texts) {
  const std::lock_guard lock(mutex_);
  lost_request_ = {count, std::move(texts), nullptr};
}

void FaultProxy::LoseAnswerWith(std::string text) {
  const std::lock_guard lock(mutex_);
  marker_ = std::move(text);
}

FaultProxy::Counts FaultProxy::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

int FaultProxy::open() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(std::count_if(links_.begin(), links_.end(),
                                        [](const auto& link) { return link->client >= 0; }));
}

FaultProxy::Waiting FaultProxy::Prepare() const {
  Waiting waiting;
  waiting.sockets = {{bell_, POLLIN, 0}, {listener_, POLLIN, 0}};
  const std::lock_guard lock(mutex_);
  waiting.links = links_;
  for (const std::shared_ptr<Link>& link : links_) {
    pollfd client = {-1, 0, 0}, server = {-1, 0, 0};
    if (link->server_open_until) waiting.Until(*link->server_open_until);
    if (!link->stalled()) {
      client.events = static_cast<int16_t>((link->requests.Readable() ? POLLIN : 0) |
                                           (link->answers.blocked() ? POLLOUT : 0));
      server.events =
          static_cast<int16_t>((link->answers.Readable() ? POLLIN : 0) |
                               (link->requests.blocked() || link->connecting ? POLLOUT : 0));
      // The end of a connection is reported whether it is asked for or not.
      if (client.events != 0) client.fd = link->client;
      if (server.events != 0) server.fd = link->server;
      for (const InTransit* way : {&link->requests, &link->answers}) {
        const bool held = way->blocked() || (way == &link->requests && link->connecting);
        if (!held && !way->empty()) waiting.Until(way->due());
      }
    }
    waiting.sockets.push_back(client);
    waiting.sockets.push_back(server);
  }
  return waiting;
}

void FaultProxy::Run() {
  while (true) {
    Waiting waiting = Prepare();
    (void)poll(waiting.sockets.data(), waiting.sockets.size(), waiting.timeout_ms);
    eventfd_t rung = 0;
    (void)eventfd_read(bell_, &rung);
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      obeyed_ = commanded_;
      has_obeyed_.notify_all();
      return;
    }
    Obey();
    if (waiting.sockets[1].revents != 0) Accept();
    for (size_t i = 0; i < waiting.links.size(); ++i) {
      Serve(waiting.links[i], waiting.sockets[2 + 2 * i].revents,
            waiting.sockets[3 + 2 * i].revents);
    }
    RemoveClosed();
  }
}

void FaultProxy::Obey() {
  for (const std::shared_ptr<Link>& link : links_) {
    if (cut_all_ || (link->silent && !half_open_)) {
      link->ResetBoth();
      ++counts_.cut;
    } else {
      link->silent = half_open_;
    }
    if (!heal_) continue;
    link->losing = false;
    if (link->server_open_until) link->CloseBoth();
  }
  cut_all_ = heal_ = false;
  obeyed_ = commanded_;
  has_obeyed_.notify_all();
}

void FaultProxy::Accept() {
  while (true) {
    auto link = std::make_shared<Link>();
    link->client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (link->client < 0) return;
    ++counts_.accepted;
    SetNoDelay(link->client);
    link->silent = half_open_;
    if (!refuse_ && !half_open_) link->server = ConnectToPort(server_port_);
    if (refuse_ || (link->server < 0 && !half_open_)) {
      ++counts_.refused;
      link->ResetBoth();
      continue;
    }
    links_.push_back(std::move(link));
  }
}

void FaultProxy::Serve(const std::shared_ptr<Link>& link, int client_events, int server_events) {
  if (link->server_open_until && *link->server_open_until <= Clock::now()) link->CloseBoth();
  if (link->meanwhile_over) link->CloseBoth();
  if (link->closed() || link->stalled()) return;
  if (link->connecting && server_events != 0) {
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(link->server, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      ++counts_.refused;
      return link->ResetBoth();
    }
    link->connecting = false;
  }
  if ((client_events & ~POLLOUT) != 0) {
    if (auto bytes = ReceivePiece(link->client)) TakeRequest(*link, *std::move(bytes));
  }
  if (!link->closed() && !link->stalled() && (server_events & ~POLLOUT) != 0) {
    if (auto bytes = ReceivePiece(link->server)) TakeAnswer(link, *std::move(bytes));
  }
  if (link->closed() || link->stalled()) return;
  const bool going_on = (link->connecting || link->requests.SendTo(link->server)) &&
                        link->answers.SendTo(link->client);
  if (!going_on) link->CloseBoth();
}

void FaultProxy::TakeRequest(Link& link, std::string bytes) {
  if (bytes.empty()) return link.requests.Add("", request_delay_);
  counts_.bytes += static_cast<int64_t>(bytes.size());
  if (!link.is_http2) link.is_http2 = Http2Frames::IsPreface(bytes);
  std::vector<uint32_t> streams;
  if (*link.is_http2) streams = link.http2.ReadClient(bytes);
  const bool asks = !*link.is_http2 || !streams.empty();
  if (asks && lost_request_.Takes(bytes)) {
    ++counts_.lost_requests;
    CloseSocket(&link.client);
    link.server_open_until = Clock::now() + kServerLeftOpen;
    return;
  }
  if (asks && !link.losing && lost_answer_.Takes(bytes)) {
    link.losing = true;
    link.losing_streams = streams;
    link.meanwhile = lost_answer_.meanwhile;
  }
  link.requests.Add(std::move(bytes), request_delay_);
}

void FaultProxy::TakeAnswer(const std::shared_ptr<Link>& link, std::string bytes) {
  if (bytes.empty()) return link->answers.Add("", answer_delay_);
  counts_.bytes += static_cast<int64_t>(bytes.size());
  bool lost = link->losing;
  if (link->is_http2.value_or(false)) {
    const std::vector<uint32_t> answered = link->http2.ReadServer(bytes);
    lost =
        lost && std::find_first_of(answered.begin(), answered.end(), link->losing_streams.begin(),
                                   link->losing_streams.end()) != answered.end();
  }
  if (!marker_.empty() && absl::StrContains(bytes, marker_)) {
    marker_.clear();
    lost = true;
  }
  if (lost) return LoseAnswer(link);
  link->answers.Add(std::move(bytes), answer_delay_);
}

// The server has answered, so it has done what it was asked.
void FaultProxy::LoseAnswer(const std::shared_ptr<Link>& link) {
  if (!link->meanwhile) {
    ++counts_.lost_answers;
    return link->CloseBoth();
  }
  link->meanwhile_thread = std::thread([this, link] {
    link->meanwhile();
    {
      const std::lock_guard lock(mutex_);
      ++counts_.lost_answers;
      link->meanwhile_over = true;
    }
    Wake();
  });
}

void FaultProxy::RemoveClosed() {
  const auto is_over = [](const std::shared_ptr<Link>& link) {
    if (!link->closed()) return false;
    if (!link->meanwhile_thread.joinable()) return true;
    if (!link->meanwhile_over) return false;
    link->meanwhile_thread.join();
    return true;
  };
  links_.erase(std::remove_if(links_.begin(), links_.end(), is_over), links_.end());
}

}  // namespace tracker::testing
