#include "tests/support/process_memory.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace tracker::testing {

ProcessMemory MemoryOf(pid_t pid) {
  ProcessMemory memory;
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  for (std::string field; status >> field;) {
    int64_t kibibytes = 0;
    if (field == "VmRSS:" && status >> kibibytes) memory.resident = kibibytes * 1024;
    if (field == "VmHWM:" && status >> kibibytes) memory.peak = kibibytes * 1024;
  }
  return memory;
}

int OpenFilesOf(pid_t pid) {
  std::error_code error;
  const std::filesystem::directory_iterator files(absl::StrCat("/proc/", pid, "/fd"), error);
  if (error) return -1;
  return static_cast<int>(std::distance(begin(files), end(files)));
}

}  // namespace tracker::testing
