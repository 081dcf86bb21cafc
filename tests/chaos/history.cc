#include "tests/chaos/history.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tracker::chaos {
namespace {

// A record is a four-byte length in the machine's own order, and as many bytes of a Record.
using Length = uint32_t;

using CallName = std::pair<uint32_t, uint64_t>;

absl::Status ReadFile(const std::string& path, std::map<CallName, Exchange>& exchanges) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  std::stringstream text;
  text << file.rdbuf();
  const std::string bytes = text.str();
  size_t at = 0;
  while (at + sizeof(Length) <= bytes.size()) {
    Length length = 0;
    std::memcpy(&length, bytes.data() + at, sizeof(length));
    at += sizeof(length);
    if (at + length > bytes.size()) break;
    Record record;
    if (!record.ParseFromArray(bytes.data() + at, static_cast<int>(length)))
      return absl::DataLossError(absl::StrCat(path, " is damaged at byte ", at));
    at += length;
    if (record.has_call()) {
      const CallName name(record.call().process(), record.call().number());
      exchanges[name].call = std::move(*record.mutable_call());
      continue;
    }
    const auto found = exchanges.find({record.answer().process(), record.answer().number()});
    if (found == exchanges.end())
      return absl::DataLossError(absl::StrCat(path, " has an answer without its call"));
    found->second.answered = true;
    found->second.answer = std::move(*record.mutable_answer());
  }
  return absl::OkStatus();
}

}  // namespace

int64_t MonotonicMicros() {
  timespec now{};
  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

absl::StatusOr<HistoryWriter> HistoryWriter::Open(const std::string& path) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
  return HistoryWriter(file);
}

HistoryWriter::HistoryWriter(HistoryWriter&& other) noexcept
    : file_(std::exchange(other.file_, -1)) {}

HistoryWriter::~HistoryWriter() {
  if (file_ >= 0) close(file_);
}

void HistoryWriter::Write(const Record& record) {
  const auto length = static_cast<Length>(record.ByteSizeLong());
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof(length));
  record.AppendToString(&bytes);
  // One write, which no other thread's can come between and no kill can cut.
  if (write(file_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    std::perror("the history cannot be written");
    std::abort();
  }
}

absl::StatusOr<std::vector<Exchange>> ReadHistory(const std::vector<std::string>& paths) {
  std::map<CallName, Exchange> exchanges;
  for (const std::string& path : paths) {
    if (absl::Status status = ReadFile(path, exchanges); !status.ok()) return status;
  }
  std::vector<Exchange> history;
  history.reserve(exchanges.size());
  for (auto& [name, exchange] : exchanges) history.push_back(std::move(exchange));
  std::stable_sort(history.begin(), history.end(), [](const Exchange& a, const Exchange& b) {
    return a.call.begin_us() < b.call.begin_us();
  });
  return history;
}

}  // namespace tracker::chaos
