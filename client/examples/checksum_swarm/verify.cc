#include "client/examples/checksum_swarm/verify.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "client/examples/checksum_swarm/files.h"
#include "client/examples/checksum_swarm/processes.h"
#include "nlohmann/json.hpp"

namespace swarm {
namespace {

using tracker::Task;
using tracker::TaskStatus;

// A task remembers this many errors.
constexpr int kErrors = 10;

// Path to digest, as the sha256sum command says; files that it cannot read are missing.
absl::StatusOr<std::map<std::string, std::string>> RunSha256sum(
    const std::string& directory, const std::vector<std::string>& paths,
    const std::string& folder) {
  const std::string list = folder + "/paths", sums = folder + "/sums";
  {
    std::ofstream out(list, std::ios::binary);
    for (const std::string& path : paths) out << "./" << path << '\0';
    if (!out.flush()) return absl::InternalError("cannot write " + list);
  }
  const auto code =
      RunCommand({"xargs", "-0", "-r", "sha256sum", "--zero", "--"}, directory, list, sums);
  if (!code.ok()) return code.status();
  // 123: some file could not be read.
  if (*code != 0 && *code != 123)
    return absl::InternalError(absl::StrCat("xargs sha256sum ended with ", *code));
  std::map<std::string, std::string> digests;
  std::ifstream in(sums, std::ios::binary);
  // "<digest>  ./<path>", ended by NUL.
  for (std::string line; std::getline(in, line, '\0');) {
    if (line.size() > 68) digests[line.substr(68)] = line.substr(0, 64);
  }
  return digests;
}

// Id to the fences of its acknowledged successes.
std::map<std::string, std::vector<int64_t>> ReadAcks(const std::string& file) {
  std::map<std::string, std::vector<int64_t>> acks;
  std::ifstream in(file, std::ios::binary);
  for (std::string line; std::getline(in, line);) {
    const size_t tab = line.find('\t');
    if (tab == std::string::npos) continue;
    acks[line.substr(tab + 1)].push_back(std::atoll(line.c_str()));
  }
  return acks;
}

class Check {
 public:
  explicit Check(Verdict* verdict) : verdict_(*verdict) {}

  void One(const std::string& path, const Task& task, const std::string* digest,
           const std::vector<int64_t>& acks) {
    path_ = path;
    ++verdict_.statuses[task.status];
    for (const tracker::TaskError& error : task.errors)
      verdict_.crashed_attempts += error.kind == tracker::ErrorKind::kLeaseExpired ? 1 : 0;
    verdict_.acknowledged += static_cast<int64_t>(acks.size());
    if (acks.size() > 1)
      Problem(absl::StrCat("its success was acknowledged ", acks.size(), " times"));
    if (task.status == TaskStatus::kSucceeded) {
      Succeeded(task, digest, acks);
    } else if (task.status == TaskStatus::kExhausted) {
      Exhausted(task, digest, acks);
    } else {
      Problem(absl::StrCat("its task ended ", tracker::TaskStatusName(task.status)));
    }
  }

  void Missing(const std::string& path) {
    path_ = path;
    Problem("it has no task");
  }

 private:
  void Problem(const std::string& text) {
    verdict_.problems.push_back(absl::StrCat(path_, ": ", text));
  }

  void Errors(const Task& task, int went_wrong) {
    const auto recorded = static_cast<int>(task.errors.size());
    if (recorded != std::min(went_wrong, kErrors)) {
      Problem(absl::StrCat(went_wrong, " attempts went wrong, but ", recorded, " are on record"));
    }
  }

  void Succeeded(const Task& task, const std::string* digest, const std::vector<int64_t>& acks) {
    Errors(task, task.attempts - 1);
    if (!acks.empty() && acks[0] != task.fence)
      Problem(absl::StrCat("fence ", acks[0], " was acknowledged, ", task.fence, " is on record"));
    const auto data = nlohmann::json::parse(task.data, nullptr, false);
    const std::string saved = data.is_object() ? data.value("sha256", "") : "";
    if (digest == nullptr) {
      Problem("it succeeded, but sha256sum cannot read the file");
    } else if (saved != *digest) {
      Problem(absl::StrCat("digest ", saved, " is wrong; sha256sum says ", *digest));
    } else {
      ++verdict_.confirmed;
      verdict_.bytes += data.value("bytes", int64_t{0});
    }
  }

  void Exhausted(const Task& task, const std::string* digest, const std::vector<int64_t>& acks) {
    Errors(task, task.attempts);
    const std::string reason = task.errors.empty() ? "" : task.errors.back().message;
    if (!acks.empty()) Problem("its success was acknowledged, but it is exhausted");
    if (reason.empty()) Problem("it is exhausted without a reason");
    if (digest != nullptr)
      Problem(absl::StrCat("it is exhausted, but sha256sum can read it: ", reason));
    verdict_.unreadable.push_back(absl::StrCat(path_, ": ", reason));
  }

  Verdict& verdict_;
  std::string path_;
};

}  // namespace

absl::StatusOr<Verdict> Verify(tracker::Client& client, const Options& options,
                               const std::vector<std::string>& paths, const std::string& folder) {
  std::map<std::string, Task> tasks;
  tracker::ListOptions list;
  list.name_space = options.name_space;
  list.page_size = 1000;
  const absl::Status listed = client.ListEach(list, [&tasks](const Task& task) {
    tasks[task.id] = task;
    return true;
  });
  if (!listed.ok()) return listed;
  const auto digests = RunSha256sum(options.directory, paths, folder);
  if (!digests.ok()) return digests.status();
  const auto acks = ReadAcks(options.acks);

  Verdict verdict;
  Check check(&verdict);
  for (const std::string& path : paths) {
    const std::string id = TaskOfPath(options.name_space, path).id;
    const auto task = tasks.find(id);
    if (task == tasks.end()) {
      check.Missing(path);
      continue;
    }
    const auto digest = digests->find(path);
    const auto ack = acks.find(id);
    check.One(path, task->second, digest == digests->end() ? nullptr : &digest->second,
              ack == acks.end() ? std::vector<int64_t>{} : ack->second);
  }
  if (tasks.size() != paths.size()) {
    verdict.problems.push_back(
        absl::StrCat("there are ", tasks.size(), " tasks for ", paths.size(), " files"));
  }
  return verdict;
}

}  // namespace swarm
