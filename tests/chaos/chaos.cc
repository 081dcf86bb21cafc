// A chaos run: a fleet under a plan of faults, and the verdict on what its workers were told. Exits
// with 1 when something is violated.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/chaos/checker.h"
#include "tests/chaos/fleet.h"
#include "tests/chaos/plan.h"
#include "tests/chaos/report.h"
#include "tests/e2e/api.h"
#include "tests/e2e/world.h"

namespace tracker::chaos {
namespace {

namespace fs = std::filesystem;

// How long leases may take to end when the workers have gone: the longest lease, the longest
// backoff, and the reaper's turn.
constexpr absl::Duration kSettle = absl::Seconds(20);
// Violations that are printed whole.
constexpr size_t kShownViolations = 5;

struct Options {
  double minutes = 2;
  uint64_t seed = 1;
  std::string store = "postgres";
  std::vector<std::string> faults;
  int workers = 6;
  int threads = 3;
  int pause_ms = 40;
  std::string keep;
  std::string check;
  std::string task;
  bool list = false;
};

// In the folder of a run: what Check of a kept one needs to know.
constexpr char kOffsetFile[] = "/clock-offset-us";

// What the wall clock, which is the database's, is ahead of the monotonic one. Read again and
// again: a thread that is put aside between the two would tell too much.
absl::Duration ClockOffset() {
  absl::Duration best = absl::ZeroDuration();
  int64_t narrowest = INT64_MAX;
  for (int i = 0; i < 100; ++i) {
    const int64_t before = MonotonicMicros();
    const absl::Time now = absl::Now();
    const int64_t took = MonotonicMicros() - before;
    if (took >= narrowest) continue;
    narrowest = took;
    best = now - absl::UnixEpoch() - absl::Microseconds(before + took / 2);
  }
  return best;
}

// Prints what is wrong with the histories; how much that is, or nothing where they cannot be read.
size_t JudgeHistory(const std::vector<Exchange>& history, absl::Duration offset) {
  const Policies policies = ChaosPolicies();
  const Acts acts = TakeApart(history, policies, offset);
  const Verdict verdict = Check(acts, policies);
  std::printf(
      "%d tasks, %ld versions of them, %ld acts answered, %ld not; %ld effects were assumed of "
      "which"
      " nobody was told\n",
      verdict.tasks, verdict.versions, verdict.answered, verdict.unanswered, verdict.assumed);
  for (size_t i = 0; i < std::min(kShownViolations, verdict.violations.size()); ++i)
    std::printf("VIOLATION %s\n", Show(verdict.violations[i]).c_str());
  for (const Violation& undecided : verdict.undecided)
    std::printf("UNDECIDED %s\n", Show(undecided).c_str());
  for (size_t i = 0; i < std::min(kShownViolations, acts.surprises.size()); ++i)
    std::printf("SURPRISE %s\n", acts.surprises[i].c_str());
  return verdict.violations.size() + acts.surprises.size();
}

std::vector<Exchange> MustRead(const std::vector<std::string>& files) {
  auto history = ReadHistory(files);
  if (!history.ok()) throw std::runtime_error(history.status().ToString());
  return *std::move(history);
}

// All that is known of one task, named as the violations name it.
int ShowTask(const std::vector<Exchange>& history, absl::Duration offset, const std::string& task) {
  const Acts acts = TakeApart(history, ChaosPolicies(), offset);
  for (const auto& [key, of_task] : acts.by_task) {
    if (absl::StrCat(key.name_space, "/", key.id) != task) continue;
    for (const Act& act : of_task) std::printf("%s\n", Show(act).c_str());
    return 0;
  }
  std::fprintf(stderr, "chaos: nobody has asked anything of %s\n", task.c_str());
  return 2;
}

// The histories that a run with --keep left in the folder, once more.
int CheckKept(const std::string& folder, const std::string& task) {
  std::vector<std::string> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().rfind("history.", 0) == 0) files.push_back(entry.path());
  }
  const std::vector<Exchange> history = MustRead(files);
  const absl::Duration offset = absl::Microseconds(std::stoll(e2e::ReadFile(folder + kOffsetFile)));
  if (!task.empty()) return ShowTask(history, offset, task);
  std::printf("%s\n", ShowCalls(history).c_str());
  return JudgeHistory(history, offset) == 0 ? 0 : 1;
}

class Run {
 public:
  Run(const Options& options, const std::string& folder)
      : options_(options),
        folder_(folder),
        fleet_({.sqlite = options.store == "sqlite",
                .folder = folder,
                .seed = options.seed,
                .workers = options.workers,
                .threads = options.threads,
                .pause = absl::Milliseconds(options.pause_ms)}) {}

  int Go() {
    const std::vector<const Fault*> faults = ChosenFaults();
    plan_ = MakePlan(faults, absl::Minutes(1) * options_.minutes, options_.seed);
    const absl::Duration offset = ClockOffset();
    fleet_.StartWorkers();
    Happen();
    fleet_.StopWorkers();
    CheckSettled();
    LookAtAll();
    CheckDerived();
    const absl::Duration drift = ClockOffset() - offset;
    if (drift > absl::Milliseconds(5) || drift < -absl::Milliseconds(5))
      std::printf("the machine's clock was moved by %s during the run\n",
                  absl::FormatDuration(drift).c_str());
    return Judge(offset + drift / 2);
  }

 private:
  std::vector<const Fault*> ChosenFaults() {
    std::vector<const Fault*> chosen;
    for (const Fault& fault : AllFaults()) {
      const std::string why = WhyNot(fault, fleet_);
      const bool asked = options_.faults.empty() ||
                         std::find(options_.faults.begin(), options_.faults.end(), fault.name) !=
                             options_.faults.end();
      if (!asked || why == "not on this store") continue;
      if (!why.empty()) {
        std::printf("left out: %s: %s\n", fault.name.c_str(), why.c_str());
      } else {
        chosen.push_back(&fault);
      }
    }
    return chosen;
  }

  // A thread for each part, for the whole run: what it starts ends with it.
  void Happen() {
    const absl::Time begin = absl::Now();
    std::vector<std::thread> threads;
    for (const Part part : kParts) {
      threads.emplace_back([this, begin, part] {
        for (const Event& event : plan_) {
          if (event.fault->part == part) Happen(event, begin);
        }
        std::unique_lock lock(mutex_);
        done_.wait(lock, [this] { return over_; });
      });
    }
    absl::SleepFor(begin + absl::Minutes(1) * options_.minutes - absl::Now());
    parts_.swap(threads);
  }

  void Happen(const Event& event, absl::Time begin) {
    absl::SleepFor(begin + event.at - absl::Now());
    Happened happened{.event = &event, .begin_us = MonotonicMicros()};
    std::mt19937_64 random(event.seed);
    try {
      event.fault->happen(fleet_, event.length, random);
    } catch (const std::exception& e) {
      happened.trouble = e.what();
    }
    happened.end_us = MonotonicMicros();
    const std::lock_guard lock(mutex_);
    std::printf("%3d  %s%s%s\n", event.episode, Show(event).c_str(),
                happened.trouble.empty() ? "" : "  FAILED: ", happened.trouble.c_str());
    std::fflush(stdout);
    happened_.push_back(happened);
  }

  // Every lease ends, though no worker is left.
  void CheckSettled() {
    e2e::Api api(fleet_.ServerAddress(0));
    std::string held;
    const bool settled = e2e::Await(
        [&] {
          held.clear();
          for (const auto& [name, policy] : ChaosPolicies()) {
            v1::ListRequest request;
            request.set_namespace_(name);
            const auto reply = api.Call(request);
            if (!reply.ok()) return held = reply.Verdict(), false;
            for (const v1::Task& task : reply.body.tasks()) {
              if (task.status() == v1::STATUS_IN_PROGRESS) held = Show(task);
            }
          }
          return held.empty();
        },
        kSettle);
    if (!settled) Report("a lease has not ended: " + held);
  }

  // How all tasks stand in the end goes into the history, too.
  void LookAtAll() {
    auto writer = HistoryWriter::Open(fleet_.OwnHistory());
    if (!writer.ok()) throw std::runtime_error(writer.status().ToString());
    e2e::Api api(fleet_.ServerAddress(1));
    uint64_t number = 0;
    for (const auto& [name, policy] : ChaosPolicies()) {
      for (int id = 0; id < kTasksOfANamespace; ++id) {
        Record asked, told;
        asked.mutable_call()->set_number(++number);
        asked.mutable_call()->mutable_get()->set_namespace_(name);
        asked.mutable_call()->mutable_get()->set_id(absl::StrCat("t", id));
        asked.mutable_call()->set_begin_us(MonotonicMicros());
        writer->Write(asked);
        auto reply = api.Call(asked.call().get());
        told.mutable_answer()->set_number(number);
        told.mutable_answer()->set_end_us(MonotonicMicros());
        told.mutable_answer()->mutable_error()->ParseFromString(reply.status.error_details());
        told.mutable_answer()->mutable_error()->set_code(reply.status.error_code());
        if (reply.ok()) *told.mutable_answer()->mutable_task() = reply.body.task();
        writer->Write(told);
      }
    }
  }

  // Counters, and the entries by which tasks are found, against the tasks.
  void CheckDerived() {
    e2e::World world;
    const e2e::Ended check = world.Run(
        {Fleet::ProgramPath("trackerctl"), "--server", fleet_.ServerAddress(0), "admin", "check"});
    if (check.exit_code != 0) Report("trackerctl admin check: " + check.out + check.err);
  }

  void Report(const std::string& text) { left_over_.push_back(text); }

  int Judge(absl::Duration offset) {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    done_.notify_all();
    for (std::thread& part : parts_) part.join();
    const std::vector<Exchange> history = MustRead(fleet_.histories());
    e2e::WriteFile(folder_ + kOffsetFile, absl::StrCat(absl::ToInt64Microseconds(offset)));
    std::printf("\n%s\n%s\n", ShowCalls(history).c_str(), ShowFaults(history, happened_).c_str());
    const size_t wrong = JudgeHistory(history, offset) + left_over_.size();
    for (const std::string& text : left_over_) std::printf("LEFT OVER %s\n", text.c_str());
    std::printf("seed %lu on %s: %zu faults, %zu violations\n", options_.seed,
                options_.store.c_str(), happened_.size(), wrong);
    return wrong == 0 ? 0 : 1;
  }

  const Options options_;
  const std::string folder_;
  Fleet fleet_;
  std::vector<Event> plan_;
  std::mutex mutex_;
  std::condition_variable done_;
  bool over_ = false;
  std::vector<Happened> happened_;
  std::vector<std::thread> parts_;
  std::vector<std::string> left_over_;
};

int ListFaults() {
  for (const Fault& fault : AllFaults()) {
    std::printf("%-34s %s\n", fault.name.c_str(),
                fault.on_postgres ? fault.on_sqlite ? "both stores" : "PostgreSQL" : "SQLite");
  }
  return 0;
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Runs a fleet of workers under faults, and checks what they were told.", "chaos");
  app.add_option("--minutes", options.minutes, "How long the faults go on")
      ->check(CLI::Range(0.1, 1440.0))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "What the plan and the workers' calls are drawn from")
      ->capture_default_str();
  app.add_option("--store", options.store, "What trackerd runs on")
      ->check(CLI::IsMember({"postgres", "sqlite"}))
      ->capture_default_str();
  app.add_option("--fault", options.faults, "Only this fault; may be given more than once");
  app.add_flag("--list-faults", options.list, "Name the faults, and end");
  app.add_option("--workers", options.workers, "Worker processes")
      ->check(CLI::Range(2, 100))
      ->capture_default_str();
  app.add_option("--threads", options.threads, "Callers of a process")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  app.add_option("--pause-ms", options.pause_ms, "The mean pause of a caller between two calls")
      ->check(CLI::Range(0, 10'000))
      ->capture_default_str();
  app.add_option("--keep", options.keep, "Keep histories and logs in this folder");
  app.add_option("--check", options.check,
                 "Only check the histories that were kept in this folder");
  app.add_option("--task", options.task,
                 "With --check: no verdict, but all that was asked of this task, a line each")
      ->needs("--check");
  CLI11_PARSE(app, argc, argv);
  if (options.list) return ListFaults();
  signal(SIGPIPE, SIG_IGN);
  e2e::World world;
  std::string folder = world.folder();
  if (!options.keep.empty()) {
    fs::create_directories(options.keep);
    folder = fs::absolute(options.keep).string();
  }
  try {
    if (!options.check.empty()) return CheckKept(options.check, options.task);
    Run run(options, folder);
    return run.Go();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "chaos: %s\n", e.what());
    return 2;
  }
}

}  // namespace
}  // namespace tracker::chaos

int main(int argc, char** argv) { return tracker::chaos::Main(argc, argv); }
