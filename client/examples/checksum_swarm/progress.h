// What one sees while the swarm runs, on stderr: a line that is written over on a terminal, a plain
// line every two seconds elsewhere.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "tracker/client.h"

namespace swarm {

class Progress {
 public:
  Progress(tracker::Client* client, std::string name_space, int64_t total);
  // Ends the line.
  ~Progress();

  // Asks for the counts and shows them, when it is time to.
  void Show(int workers, int killed);

 private:
  tracker::Client& client_;
  const std::string name_space_;
  const int64_t total_;
  const bool terminal_;
  const absl::Time begin_;
  absl::Time next_;
  bool shown_ = false;
};

// "87.3 MiB".
std::string Bytes(int64_t bytes);

}  // namespace swarm
