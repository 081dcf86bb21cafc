// How long the reads of one namespace take: the first page of List, a page far down, and Count.
// Thread-compatible.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/bench/latencies.h"
#include "tests/bench/rpc.h"

namespace tracker::bench {

struct ReadTimes {
  Percentiles list_first;
  Percentiles list_deep;
  Percentiles count;
};

class ReadProbe {
 public:
  ReadProbe(const std::string& address, std::string name_space);

  // Pages through the first `depth` tasks, and keeps tokens from all over the last tenth of them.
  absl::Status FindDeepPages(int64_t depth);
  // One of each read. After FindDeepPages.
  absl::Status Measure();
  // Of all since the last.
  ReadTimes Take();
  // Many in a row.
  absl::StatusOr<ReadTimes> MeasureMany();

  int64_t depth() const { return depth_; }

 private:
  absl::StatusOr<std::string> List(int page_size, const std::string& token, Latencies* latencies);
  absl::Status Count();

  const std::string name_space_;
  const std::unique_ptr<v1::TrackerService::Stub> stub_;
  std::vector<std::string> deep_tokens_;
  size_t next_token_ = 0;
  int64_t depth_ = 0;
  Latencies list_first_;
  Latencies list_deep_;
  Latencies count_;
};

}  // namespace tracker::bench
