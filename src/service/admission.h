// Whether a lane can do in time what is asked of it, and if not, when its caller should come again.
//
// A queue that is bounded by its length alone fails under overload: all that is in it waits for as
// long as its caller's patience, is dropped when its turn comes, or answered to nobody, and so a
// server that works at full speed serves next to none. So a call is turned away at once when it
// would wait for longer than limits::kLaneWait, or than a third of the time that its caller has
// left.
//
// How long a commit takes is learnt from those of the last moments, as a fixed part and a part for
// each command. Nothing is known at the beginning, and a while after the last commit of some size;
// then nothing is turned away.
//
// Not thread-safe. All times are of one clock, which never jumps.
#pragma once

#include <cstddef>

#include "absl/time/time.h"
#include "src/base/limits.h"

namespace tracker::service {

struct Arrival {
  size_t commands = 1;
  // It begins work (Create, Start), and does not end or keep any that is under way. It is turned
  // away first: what was begun and cannot be finished was begun for nothing.
  bool begins_work = false;
  absl::Time deadline = absl::InfiniteFuture();
};

class Admission {
 public:
  // `batch_commands` are the most that one commit carries.
  explicit Admission(size_t batch_commands) : batch_commands_(batch_commands) {}

  // A commit of so many commands begins; there is one at a time. It has ended.
  void Began(size_t commands, absl::Time now);
  void Ended(absl::Time now);

  // Whether what arrives behind `queued` commands will be done in time, as far as can be told.
  bool Admits(size_t queued, const Arrival& arrival, absl::Time now) const;

  // When somebody who is turned away with so many commands should come again. Each gets a time of
  // its own, so that they come back one after another, and no faster than a fraction of what is
  // being served: to turn a call away costs the machine about as much as to take it in.
  absl::Duration RetryAfter(size_t commands, absl::Time now);

  // How long a queue of so many commands takes; zero: not known.
  absl::Duration TimeFor(size_t commands) const;

 private:
  // Sums over the last commits, older ones weighing less and less.
  struct Sums {
    double weight = 0;
    double commands = 0;
    double seconds = 0;
    double squares = 0;
    double products = 0;
  };

  void Learn(double commands, double seconds);

  const size_t batch_commands_;
  Sums sums_;
  // What they say: a commit takes `fixed` and `each` for each command, in seconds.
  double fixed_ = 0;
  double each_ = 0;
  absl::Time learnt_ = absl::InfinitePast();
  size_t running_ = 0;
  absl::Time began_;
  absl::Time next_return_ = absl::InfinitePast();
};

}  // namespace tracker::service
