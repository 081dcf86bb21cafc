// checksum_swarm: the SHA-256 of every file below a directory, by a swarm of worker processes over
// one Tracker server. With --chaos some of them are killed all the time; the job gets done all the
// same, each file once, and the check at the end proves it.
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/examples/checksum_swarm/files.h"
#include "client/examples/checksum_swarm/options.h"
#include "client/examples/checksum_swarm/processes.h"
#include "client/examples/checksum_swarm/progress.h"
#include "client/examples/checksum_swarm/verify.h"
#include "client/examples/checksum_swarm/worker.h"

namespace swarm {
namespace {

enum ExitCode { kDone = 0, kWrong = 1, kUsage = 2, kUnavailable = 3, kInterrupted = 130 };

std::atomic<bool> interrupted{false};

// A folder for the workers' acknowledgements, gone with the object.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "checksum_swarm.XXXXXX").string();
    if (mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

int Fail(const absl::Status& status, const Options& options) {
  std::cerr << "checksum_swarm: " << absl::StatusCodeToString(status.code()) << ": "
            << status.message() << "\n";
  const bool unavailable = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
  if (!unavailable) return kWrong;
  std::cerr << "Is a trackerd at " << options.server << "? Start one, or name it with --server.\n";
  return kUnavailable;
}

absl::Status CreateTasks(tracker::Client& client, const Options& options,
                         const std::vector<std::string>& paths) {
  const auto counts = client.Count(options.name_space);
  if (!counts.ok()) return counts.status();
  if (!counts->empty()) {
    return absl::FailedPreconditionError(absl::StrCat("the namespace ", options.name_space,
                                                      " has tasks already; name another, or none"));
  }
  std::vector<tracker::NewTask> tasks;
  for (const std::string& path : paths) {
    tasks.push_back(TaskOfPath(options.name_space, path));
    tasks.back().max_attempts = options.max_attempts;
    // So that a repeat after a lost answer is no error.
    tasks.back().allow_existing = true;
  }
  // Piece by piece, so that each has its own deadline.
  constexpr size_t kPiece = 5000;
  for (size_t at = 0; at < tasks.size() && !interrupted; at += kPiece) {
    const size_t size = std::min(kPiece, tasks.size() - at);
    for (const auto& task : client.CreateAll(absl::MakeSpan(tasks).subspan(at, size))) {
      if (!task.ok()) return task.status();
    }
  }
  return absl::OkStatus();
}

absl::Status RunWorkers(const Options& options, int64_t total, int* killed) {
  Processes processes(options);
  // Its own client, with little patience: a server that is away for a while must not stop the rest.
  const auto impatient =
      tracker::Client::Connect(options.server, {.deadline = absl::Milliseconds(500)});
  Progress progress(impatient.get(), options.name_space, total);
  if (absl::Status status = processes.Start(); !status.ok()) return status;
  while (!processes.done() && !interrupted) {
    if (absl::Status status = processes.Tend(); !status.ok()) return status;
    progress.Show(processes.running(), processes.killed());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  *killed = processes.killed();
  return absl::OkStatus();
}

void PrintSummary(const Verdict& verdict, const Options& options, int64_t total, int killed,
                  absl::Duration took) {
  const double seconds = absl::ToDoubleSeconds(took);
  std::cout << absl::StrFormat("%d files, %s, in %.1f s: %.0f files/s with %d workers\n", total,
                               Bytes(verdict.bytes), seconds, static_cast<double>(total) / seconds,
                               options.workers);
  for (const auto& [status, count] : verdict.statuses)
    std::cout << absl::StrFormat("  %-20s %8d\n", tracker::TaskStatusName(status), count);
  if (options.chaos || verdict.crashed_attempts > 0) {
    std::cout << absl::StrFormat("  %-20s %8d\n  %-20s %8d\n", "workers killed", killed,
                                 "attempts crashed", verdict.crashed_attempts);
  }
  for (const std::string& file : verdict.unreadable) std::cout << "  unreadable: " << file << "\n";
}

int PrintVerdict(const Verdict& verdict) {
  if (verdict.problems.empty()) {
    std::cout << "verified: " << verdict.confirmed << " digests are what sha256sum says, "
              << verdict.acknowledged
              << " successes were acknowledged, none twice, every crashed attempt is on record\n";
    return kDone;
  }
  constexpr size_t kShown = 20;
  std::cout << "WRONG: " << verdict.problems.size() << " problems\n";
  for (size_t i = 0; i < std::min(kShown, verdict.problems.size()); ++i)
    std::cout << "  " << verdict.problems[i] << "\n";
  if (verdict.problems.size() > kShown) std::cout << "  …\n";
  return kWrong;
}

int RunSwarm(Options options) {
  const auto found = FindFiles(options.directory);
  if (!found.ok()) {
    std::cerr << "checksum_swarm: " << found.status().message() << "\n";
    return kUsage;
  }
  for (const std::string& skipped : found->skipped)
    std::cerr << "checksum_swarm: skipped the directory " << skipped << "\n";
  const Folder folder;
  options.acks = folder.path() + "/acks";
  if (folder.path().empty() || !std::ofstream(options.acks))
    return Fail(absl::InternalError("cannot make a temporary folder"), options);

  const auto client = tracker::Client::Connect(options.server);
  const auto total = static_cast<int64_t>(found->paths.size());
  std::cerr << "checksum_swarm: " << total << " files, namespace " << options.name_space
            << ", seed " << options.seed << "\n";
  if (absl::Status status = CreateTasks(*client, options, found->paths); !status.ok())
    return Fail(status, options);
  int killed = 0;
  const absl::Time begin = absl::Now();
  const absl::Status worked = RunWorkers(options, total, &killed);
  const absl::Duration took = absl::Now() - begin;
  if (interrupted) return kInterrupted;
  if (!worked.ok()) return Fail(worked, options);
  const auto verdict = Verify(*client, options, found->paths, folder.path());
  if (!verdict.ok()) return Fail(verdict.status(), options);
  PrintSummary(*verdict, options, total, killed, took);
  const int code = PrintVerdict(*verdict);
  std::cout << "The tasks are still there:  trackerctl --server " << options.server << " list "
            << options.name_space << "\n";
  return code;
}

std::string FreshNamespace() {
  return absl::StrCat("checksum/",
                      absl::FormatTime("%Y%m%dT%H%M%E3S", absl::Now(), absl::UTCTimeZone()));
}

int Main(int argc, char** argv) {
  Options options;
  options.server = "127.0.0.1:7070";
  options.name_space = FreshNamespace();
  options.seed = std::random_device{}();
  std::string lease, chaos_interval = "500ms";
  CLI::App app(
      "checksum_swarm: the SHA-256 of every file below a directory, by many worker processes.\n"
      "Each file is a task; its size and digest end in the task's data. At the end every digest\n"
      "is checked against the sha256sum command, and every attempt against the workers' notes.");
  app.footer(
      "Exit codes: 0 all of it holds; 1 something is wrong, and listed; 2 wrong usage;\n"
      "3 no server.\nExample:\n  checksum_swarm /usr/share/doc --workers 8 --chaos");
  app.add_option("DIRECTORY", options.directory, "Where the files are")->required();
  app.add_option("--server", options.server, "Where trackerd listens")
      ->envname("TRACKER_SERVER")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  app.add_option("--namespace", options.name_space,
                 "Where to make the tasks; default: a fresh one, checksum/<time>")
      ->type_name("NAME");
  app.add_option("--workers", options.workers, "How many processes")
      ->check(CLI::Range(1, 1000))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--lease", lease,
                 "How long a killed worker's task waits for the next; default: 30s, with --chaos "
                 "2s")
      ->type_name("DURATION");
  app.add_flag("--chaos", options.chaos, "Kill workers at random with SIGKILL, start new ones");
  app.add_option("--chaos-interval", chaos_interval, "Mean time between two kills")
      ->type_name("DURATION")
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Of the choices made at random; default: a fresh one")
      ->type_name("N");
  // How the program starts its workers.
  app.add_flag("--worker", options.worker)->group("");
  app.add_option("--parent", options.parent)->group("");
  app.add_option("--acks", options.acks)->group("");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? kDone : kUsage;
  }
  options.lease = options.chaos ? absl::Seconds(2) : absl::Seconds(30);
  if ((!lease.empty() && !absl::ParseDuration(lease, &options.lease)) ||
      !absl::ParseDuration(chaos_interval, &options.chaos_interval) ||
      options.lease <= absl::ZeroDuration() || options.chaos_interval <= absl::ZeroDuration()) {
    std::cerr << "checksum_swarm: a duration is written 2s, 500ms or 1m30s\n";
    return kUsage;
  }
  if (options.worker) return RunWorker(options);
  // A killed worker's attempts count, and chaos kills many: none of its tasks may run out of them.
  if (options.chaos) options.max_attempts = 1000;
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = true; };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  return RunSwarm(std::move(options));
}

}  // namespace
}  // namespace swarm

int main(int argc, char** argv) { return swarm::Main(argc, argv); }
