#include "src/store/postgres/silence_watch.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tracker::store::postgres {
namespace {

constexpr absl::Duration kLook = absl::Seconds(1);
// SSLRequest (manual, section "Message Formats"): its length, and its code.
constexpr char kSslRequest[] = {0, 0, 0, 8, 0x04, static_cast<char>(0xd2), 0x16, 0x2f};

bool WaitsFor(int socket, int16_t event, base::MonotonicTime end) {
  while (true) {
    pollfd waiting = {socket, event, 0};
    const int64_t left = absl::ToInt64Milliseconds(end - base::MonotonicNow());
    const int ready = poll(&waiting, 1, static_cast<int>(std::max<int64_t>(left, 0)));
    if (ready < 0 && errno == EINTR) continue;
    return ready > 0;
  }
}

}  // namespace

SilenceWatch::Watched::Watched(SilenceWatch* watch, int socket) : watch_(watch) {
  if (watch_ == nullptr) return;
  socket_ = fcntl(socket, F_DUPFD_CLOEXEC, 0);
  absl::MutexLock lock(&watch_->mutex_);
  watch_->watched_.push_back(this);
}

SilenceWatch::Watched::~Watched() {
  if (watch_ == nullptr) return;
  {
    absl::MutexLock lock(&watch_->mutex_);
    auto& all = watch_->watched_;
    all.erase(std::remove(all.begin(), all.end(), this), all.end());
  }
  if (socket_ >= 0) close(socket_);
}

SilenceWatch::SilenceWatch(std::function<void(const StoreEvent&)> on_event)
    : on_event_(std::move(on_event)) {
  thread_ = std::thread([this] {
    // A server that has answered is left alone for a while.
    bool asked = false;
    while (!over_.WaitFor(asked ? kSuspiciousSilence : kLook)) asked = Look();
  });
}

SilenceWatch::~SilenceWatch() {
  over_.Ring();
  thread_.join();
}

bool SilenceWatch::Address::operator==(const Address& other) const {
  return size == other.size && std::memcmp(&bytes, &other.bytes, size) == 0;
}

bool SilenceWatch::Look() {
  const std::vector<Address> suspicious = Suspicious();
  for (const Address& address : suspicious) {
    if (!Answers(address)) Cut(address);
  }
  return !suspicious.empty();
}

// Where statements wait for long.
std::vector<SilenceWatch::Address> SilenceWatch::Suspicious() {
  const int64_t before_us = absl::ToUnixMicros(base::MonotonicNow() - kSuspiciousSilence);
  std::vector<Address> suspicious;
  absl::MutexLock lock(&mutex_);
  for (const Watched* watched : watched_) {
    const int64_t since_us = watched->since_us_;
    if (since_us == Watched::kIdle || since_us > before_us) continue;
    Address address;
    address.size = sizeof(address.bytes);
    if (getpeername(watched->socket_, reinterpret_cast<sockaddr*>(&address.bytes), &address.size) !=
        0) {
      continue;
    }
    if (std::find(suspicious.begin(), suspicious.end(), address) == suspicious.end()) {
      suspicious.push_back(address);
    }
  }
  return suspicious;
}

// A server that refuses the connection, or closes it, is awake, too: what waits for it hears of
// its end by itself.
bool SilenceWatch::Answers(const Address& address) {
  const base::MonotonicTime end = base::MonotonicNow() + kProbePatience;
  const int probe = socket(address.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  // It says nothing of the server that this machine has no socket left.
  if (probe < 0) return true;
  const bool connecting =
      connect(probe, reinterpret_cast<const sockaddr*>(&address.bytes), address.size) == 0 ||
      errno == EINPROGRESS;
  bool answers = !connecting && errno != EAGAIN;
  if (connecting && WaitsFor(probe, POLLOUT, end)) {
    (void)send(probe, kSslRequest, sizeof(kSslRequest), MSG_NOSIGNAL);
    answers = WaitsFor(probe, POLLIN, end);
  }
  close(probe);
  return answers;
}

void SilenceWatch::Cut(const Address& address) {
  const int64_t before_us = absl::ToUnixMicros(base::MonotonicNow() - kSuspiciousSilence);
  int cut = 0;
  {
    absl::MutexLock lock(&mutex_);
    for (const Watched* watched : watched_) {
      const int64_t since_us = watched->since_us_;
      if (since_us == Watched::kIdle || since_us > before_us) continue;
      Address its;
      its.size = sizeof(its.bytes);
      if (getpeername(watched->socket_, reinterpret_cast<sockaddr*>(&its.bytes), &its.size) != 0 ||
          !(its == address)) {
        continue;
      }
      shutdown(watched->socket_, SHUT_RDWR);
      ++cut;
    }
  }
  if (on_event_ && cut > 0) {
    on_event_({.name = "database_silent",
               .text = absl::StrCat(
                   "the database has answered neither statements nor a new connection for ",
                   absl::FormatDuration(kSuspiciousSilence + kProbePatience),
                   ": connections given up: ", cut)});
  }
}

}  // namespace tracker::store::postgres
