// Ends connections to a server that has fallen silent without a word: one whose processes or whose
// machine stand still, or that lies behind a broken path of which nobody tells. libpq itself waits
// for an answer for ever, the kernel's keepalives (connection_settings.cc) do not notice a server
// whose kernel goes on, and a server that stands still ends no statement by its own time limit.
//
// While a statement has no answer for kSuspiciousSilence, the watch asks the same address over a
// connection of its own, as libpq does first of all, whether it speaks TLS: a PostgreSQL, or a
// pooler, answers that with one byte, however long its statements take. Is there no answer within
// kProbePatience, the statements' connections to that address are shut down, and libpq finds them
// lost.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "src/base/monotonic.h"
#include "src/store/store.h"

namespace tracker::store::postgres {

// Longer than nearly all statements take, so that there is hardly ever a probe; together with the
// other one shorter than callers wait.
inline constexpr absl::Duration kSuspiciousSilence = absl::Seconds(5);
// As the time that a connection may take (connect_timeout).
inline constexpr absl::Duration kProbePatience = absl::Seconds(5);

// Thread-safe. One thread, which looks once a second, and asks no more often than every
// kSuspiciousSilence: so a silent server is left after 10 s mostly, and after 16 s at most.
class SilenceWatch {
 public:
  // One connection, for as long as it is open. Used by the connection's thread.
  class Watched {
   public:
    // `watch` may be null: then nothing is watched. `socket` is the connection's.
    Watched(SilenceWatch* watch, int socket);
    ~Watched();
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;

    // A statement, from its sending to its answer.
    class Statement {
     public:
      explicit Statement(Watched* watched) : watched_(*watched) {
        watched_.since_us_ = absl::ToUnixMicros(base::MonotonicNow());
      }
      ~Statement() { watched_.since_us_ = kIdle; }
      Statement(const Statement&) = delete;
      Statement& operator=(const Statement&) = delete;

     private:
      Watched& watched_;
    };

   private:
    friend class SilenceWatch;
    static constexpr int64_t kIdle = -1;

    SilenceWatch* const watch_;
    // A copy: libpq closes its own when it likes, and the number is another's then.
    int socket_ = -1;
    std::atomic<int64_t> since_us_{kIdle};
  };

  explicit SilenceWatch(std::function<void(const StoreEvent&)> on_event);
  ~SilenceWatch();
  SilenceWatch(const SilenceWatch&) = delete;
  SilenceWatch& operator=(const SilenceWatch&) = delete;

 private:
  // As connect takes it.
  struct Address {
    sockaddr_storage bytes = {};
    socklen_t size = 0;

    bool operator==(const Address& other) const;
  };

  // Whether there was anything to ask about.
  bool Look();
  std::vector<Address> Suspicious();
  void Cut(const Address& address);
  static bool Answers(const Address& address);

  const std::function<void(const StoreEvent&)> on_event_;
  absl::Mutex mutex_;
  std::vector<Watched*> watched_ ABSL_GUARDED_BY(mutex_);
  base::Bell over_;
  std::thread thread_;
};

}  // namespace tracker::store::postgres
