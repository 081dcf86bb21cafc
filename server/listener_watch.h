// Decides from looks at trackerd's own address whether anybody still accepts connections there.
//
// gRPC 1.51 stops accepting for good when the process has run out of file descriptors once: its
// socket goes on listening, so the kernel takes connections that nobody ever answers, while calls
// on older connections go on. Only a new process helps.
//
// One look proves nothing: the process may have been busy, or stopped. An address counts as dead
// when limits of silence are passed without one look that shows life or tells nothing. Pure; not
// thread-safe.
#pragma once

namespace tracker::server {

enum class Look {
  // Somebody accepted: bytes came, or the connection was closed from there.
  kAlive,
  // Nobody is there, or whoever is there says nothing.
  kSilent,
  // The look itself could not be done, or not in time: no file descriptors are left, or this
  // process did not get to run.
  kTellsNothing,
};

class ListenerWatch {
 public:
  // Of silent looks, with none that shows life between them. With kLookTimeout and kLookInterval
  // (self_check.h) that is about half a minute: longer than a busy process is silent.
  static constexpr int kSilentLooks = 6;

  // Whether the listener is dead. Before it was seen alive once it is never: where a process cannot
  // reach its own address, that says nothing.
  bool IsDead(Look look) {
    if (look == Look::kAlive) {
      seen_ = true;
      silent_ = 0;
    } else if (look == Look::kSilent && seen_) {
      ++silent_;
    } else if (look == Look::kTellsNothing && silent_ > 0) {
      // One silent look less, not all: a process that is short of file descriptors may be so again
      // and again while its listener is dead.
      --silent_;
    }
    return silent_ >= kSilentLooks;
  }

 private:
  bool seen_ = false;
  int silent_ = 0;
};

}  // namespace tracker::server
