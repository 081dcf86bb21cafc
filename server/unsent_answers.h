// The answers that are finished and not yet sent. A caller that does not read has gRPC keep its
// answers for as long as it likes, four MiB each and thousands of calls a connection, which no
// quota of gRPC's counts. So they are counted here: while there are too many bytes of them, answers
// to reads are turned away, and those that nobody took for long are thrown away with their calls.
//
// Thread-safe.
#pragma once

#include <cstddef>
#include <list>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/server_context.h"
#include "src/base/limits.h"
#include "src/base/monotonic.h"

namespace tracker::server {

class UnsentAnswers {
 public:
  // One answer's place; released with it. Move it into whatever lives as long as the call.
  class Hold;

  // The process's.
  static UnsentAnswers& Shared();

  // Counts an answer of that many bytes, until `hold` is released. With `refusable`, false when
  // there is no room for it. Small ones are not counted.
  bool TryHold(size_t bytes, bool refusable, grpc::CallbackServerContext* context, Hold* hold);

  // Whether there is no room for answers now: no call should be begun whose answer may be large.
  bool IsFull();

 private:
  struct Entry {
    size_t bytes;
    base::MonotonicTime since;
    grpc_call* call;
  };
  using Entries = std::list<Entry>;

  // Cancels the calls of those that wait for too long. Without the mutex.
  void CutOffOld();

  absl::Mutex mutex_;
  // In the order of time.
  Entries entries_ ABSL_GUARDED_BY(mutex_);
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

class UnsentAnswers::Hold {
 public:
  Hold() = default;
  ~Hold();
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

 private:
  friend class UnsentAnswers;
  UnsentAnswers* owner_ = nullptr;
  Entries::iterator entry_;
};

}  // namespace tracker::server
