// Any bytes as trackerd's config file: it is taken, and then all that it sets is within its bounds,
// or refused in one line. The whole way is trackerd's own, from the flag --config on.
#include "server/config.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/fuzz/must.h"

namespace tracker::fuzz {
namespace {

// A file in memory; its path lives as long as it does.
class MemoryFile {
 public:
  MemoryFile(const uint8_t* bytes, size_t size) : descriptor_(memfd_create("config", 0)) {
    Must(descriptor_ >= 0 && write(descriptor_, bytes, size) == static_cast<ssize_t>(size),
         "a file in memory can be written");
  }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const { return absl::StrCat("/proc/self/fd/", descriptor_); }

 private:
  const int descriptor_;
};

void CheckTaken(const server::Config& config) {
  Must(config.lanes >= 0 && config.lanes <= 64, "lanes are within their bounds");
  Must(config.readers >= 1 && config.readers <= 64, "readers are within their bounds");
  Must(config.queue >= static_cast<int>(limits::kBatchOperations), "a Batch fits the queue");
  Must(config.max_streams >= 1, "there is a stream");
  Must(config.rpc_memory_mib >= 64, "gRPC has memory");
  Must(config.drain_timeout >= absl::ZeroDuration() && config.drain_timeout <= absl::Hours(1),
       "the drain time-out is within its bounds");
  Must(!config.migrate_only, "a file gives no subcommand");
}

void CheckRefused(const server::ParsedConfig& parsed) {
  const std::string& output = parsed.output;
  Must(*parsed.exit_code == 0 || *parsed.exit_code == 2, "the exit code is one of ours");
  Must(!output.empty() && output.back() == '\n', "a refusal says something");
  if (*parsed.exit_code == 2) {
    Must(output.find('\n') == output.size() - 1, "a refusal is one line");
    Must(absl::StartsWith(output, "trackerd: "), "a refusal names the program");
  }
}

}  // namespace
}  // namespace tracker::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const tracker::fuzz::MemoryFile file(bytes, size);
  const auto parsed = tracker::server::ParseConfig({"--config", file.path()});
  if (parsed.exit_code) {
    tracker::fuzz::CheckRefused(parsed);
  } else {
    tracker::fuzz::CheckTaken(parsed.config);
  }
  return 0;
}
