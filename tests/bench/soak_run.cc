// soak: loads many tasks, then lets a mixed load run on top of them, with retention on.
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "tests/bench/create.h"
#include "tests/bench/database_stats.h"
#include "tests/bench/interrupt.h"
#include "tests/bench/mixed_load.h"
#include "tests/bench/options.h"
#include "tests/bench/pgbench_program.h"
#include "tests/bench/progress.h"
#include "tests/bench/read_probe.h"
#include "tests/bench/rpc.h"
#include "tests/bench/servers.h"
#include "tests/bench/soak_report.h"

namespace tracker::bench {
namespace {

constexpr char kArchive[] = "archive";
constexpr char kWork[] = "work";
constexpr char kNamed[] = "named";
// So that fewer checkpoints are forced by the size of the log, as on any server set up for writes.
constexpr char kMaxWalSize[] = "max_wal_size=4GB";
// What a loaded task takes, with its indexes and with room to spare.
constexpr int64_t kBytesPerRow = 1000;
// What the mixed load, logs and temporary files take; the run ends before less than a tenth of it
// is left.
constexpr int64_t kHeadroomBytes = 3'000'000'000;
constexpr absl::Duration kProbePause = absl::Milliseconds(100);
constexpr absl::Duration kCheckLimit = absl::Minutes(10);

absl::StatusOr<int64_t> FreeBytes(const std::string& folder) {
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(folder, error);
  if (error) return absl::InternalError(absl::StrCat(folder, ": ", error.message()));
  return static_cast<int64_t>(space.available);
}

class Soak {
 public:
  Soak(const Options& options, Servers servers)
      : options_(options),
        servers_(std::move(servers)),
        stub_(MakeStub(servers_.trackerd->address(), 0)),
        probe_(servers_.trackerd->address(), kArchive) {}

  absl::Status Run() {
    result_.rows = options_.rows;
    for (auto step : {&Soak::ShowSettings, &Soak::CheckDisk, &Soak::SetPolicies, &Soak::Load,
                      &Soak::RunMixedLoad, &Soak::CheckCounts, &Soak::Report}) {
      if (absl::Status status = (this->*step)(); !status.ok()) return status;
      if (Interrupted()) return InterruptedError();
    }
    return absl::OkStatus();
  }

 private:
  absl::Status ShowSettings() {
    auto settings = ReadSettings(servers_.DatabaseUrl());
    if (!settings.ok()) return settings.status();
    result_.settings = *std::move(settings);
    Say(absl::StrCat("PostgreSQL: ", absl::StrJoin(result_.settings, ", ")));
    return absl::OkStatus();
  }

  absl::Status CheckDisk() {
    auto wal = ReadMaxWalBytes(servers_.DatabaseUrl());
    if (!wal.ok()) return wal.status();
    auto free = FreeBytes(options_.data_folder);
    if (!free.ok()) return free.status();
    // The log grows beyond its limit while a checkpoint is under way.
    const int64_t needed = options_.rows * kBytesPerRow + *wal * 3 / 2 + kHeadroomBytes;
    Say(absl::StrCat("disk: ", Bytes(*free), " free in ", options_.data_folder, ", up to ",
                     Bytes(needed), " needed"));
    if (*free >= needed) return absl::OkStatus();
    return absl::ResourceExhaustedError(absl::StrCat(
        options_.data_folder, " has only ", Bytes(*free), " free, and ", options_.rows,
        " tasks may need ", Bytes(needed), ": use fewer --rows, or another --data-folder"));
  }

  absl::Status SetPolicies() {
    for (const char* name_space : {kWork, kNamed}) {
      v1::SetPolicyRequest request;
      request.mutable_policy()->set_namespace_(name_space);
      request.mutable_policy()->mutable_retention()->set_seconds(options_.retention_seconds);
      v1::SetPolicyResponse response;
      BoundedContext context;
      const grpc::Status status = stub_->SetPolicy(&context, request, &response);
      if (!status.ok()) return FromGrpc(status);
    }
    return absl::OkStatus();
  }

  absl::Status Load() {
    CreateOptions create{
        .address = servers_.trackerd->address(), .name_space = kArchive, .last = kSmallRows};
    if (auto made = CreateTasks(create); !made.ok()) return made.status();
    if (absl::Status measured = MeasureReads(kSmallRows, result_.reads_small); !measured.ok()) {
      return measured;
    }
    result_.small_depth = probe_.depth();
    create.first = kSmallRows + 1;
    create.last = options_.rows;
    Progress progress("loading", options_.rows - kSmallRows);
    create.progress = [&](int64_t done) { progress.Update(done); };
    auto made = CreateTasks(create);
    if (!made.ok()) return made.status();
    result_.created = *made;
    Say(absl::StrFormat("loaded %d tasks by Batch(1000): %.0f/s, the last tenth %.0f/s",
                        options_.rows, made->overall, made->last_tenth));
    if (absl::Status measured = MeasureReads(options_.rows, result_.reads_large); !measured.ok()) {
      return measured;
    }
    result_.large_depth = probe_.depth();
    auto stats = ReadDatabaseStats(servers_.DatabaseUrl());
    if (!stats.ok()) return stats.status();
    result_.before = *std::move(stats);
    Say(absl::StrFormat("%s, %d bytes a task", Bytes(result_.before.total_bytes),
                        result_.before.total_bytes / options_.rows));
    return absl::OkStatus();
  }

  // Vacuums first what autovacuum would within a minute or two: else it would run at a time of its
  // own choice through what is measured.
  absl::Status MeasureReads(int64_t rows, ReadTimes& times) {
    if (absl::Status settled = RunSql(*servers_.cluster, kDatabase, "VACUUM ANALYZE;\nCHECKPOINT;");
        !settled.ok()) {
      return settled;
    }
    if (absl::Status found = probe_.FindDeepPages(rows / 2); !found.ok()) return found;
    auto measured = probe_.MeasureMany();
    if (!measured.ok()) return measured.status();
    times = *measured;
    SayReads(rows, times);
    return absl::OkStatus();
  }

  void SayReads(int64_t rows, const ReadTimes& times) {
    Say(absl::StrFormat(
        "at %d tasks: List first p50 %s p99 %s, deep (%d) p50 %s p99 %s, Count p50 "
        "%s",
        rows, Milliseconds(times.list_first.median), Milliseconds(times.list_first.p99),
        probe_.depth(), Milliseconds(times.list_deep.median), Milliseconds(times.list_deep.p99),
        Milliseconds(times.count.median)));
  }

  absl::Status RunMixedLoad() {
    MixedLoad load({.address = servers_.trackerd->address(),
                    .claimed_namespace = kWork,
                    .named_namespace = kNamed,
                    .claimers = options_.claimers,
                    .backlog = options_.backlog});
    load.Start();
    absl::Status status;
    DatabaseStats before = result_.before;
    for (int number = 1; number <= options_.minutes && status.ok(); ++number) {
      status = RunMinute(number, load, before);
    }
    load.Stop();
    result_.errors = load.Errors();
    for (const auto& [what, count] : result_.errors) {
      Say(absl::StrCat("went wrong ", count, " times: ", what));
    }
    if (!status.ok()) return status;
    auto reads = probe_.MeasureMany();
    if (!reads.ok()) return reads.status();
    result_.reads_end = *reads;
    SayReads(options_.rows, *reads);
    return absl::OkStatus();
  }

  absl::Status RunMinute(int number, MixedLoad& load, DatabaseStats& before) {
    const absl::Time began = absl::Now();
    const absl::Time end = began + absl::Minutes(1);
    while (absl::Now() < end) {
      if (Interrupted()) return InterruptedError();
      if (absl::Status measured = probe_.Measure(); !measured.ok()) return measured;
      if (absl::Status health = load.Health(); !health.ok()) return health;
      SleepUnlessInterrupted(kProbePause);
    }
    SoakMinute minute{.number = number};
    minute.cycles_per_second =
        static_cast<double>(load.TakeCycles()) / absl::ToDoubleSeconds(absl::Now() - began);
    minute.reads = probe_.Take();
    minute.claim = load.TakeClaimTimes();
    auto stats = ReadDatabaseStats(servers_.DatabaseUrl());
    if (!stats.ok()) return stats.status();
    minute.stats = *stats;
    if (stats->updates > before.updates) {
      minute.hot_share = static_cast<double>(stats->hot_updates - before.hot_updates) /
                         static_cast<double>(stats->updates - before.updates);
    }
    before = *std::move(stats);
    if (absl::Status counted = CountTasks(minute); !counted.ok()) return counted;
    Say(MinuteText(minute));
    result_.minutes.push_back(std::move(minute));
    return CheckHeadroom();
  }

  absl::Status CountTasks(SoakMinute& minute) {
    v1::CountResponse response;
    BoundedContext context;
    const grpc::Status status = stub_->Count(&context, v1::CountRequest(), &response);
    if (!status.ok()) return FromGrpc(status);
    for (const v1::StatusCount& count : response.counts()) {
      minute.tasks += count.count();
      if (count.namespace_() != kArchive) minute.load_tasks += count.count();
    }
    return absl::OkStatus();
  }

  absl::Status CheckHeadroom() {
    auto free = FreeBytes(options_.data_folder);
    if (!free.ok()) return free.status();
    if (*free >= kHeadroomBytes / 10) return absl::OkStatus();
    return absl::ResourceExhaustedError(
        absl::StrCat("the disk is nearly full: ", Bytes(*free), " left"));
  }

  absl::Status CheckCounts() {
    auto admin = v1::AdminService::NewStub(MakeChannel(servers_.trackerd->address(), 0));
    v1::CheckCountsResponse response;
    BoundedContext context(kCheckLimit);
    const grpc::Status status = admin->CheckCounts(&context, {}, &response);
    if (!status.ok()) return FromGrpc(status);
    result_.checked_tasks = response.tasks();
    for (const v1::CountMismatch& mismatch : response.mismatches()) {
      result_.mismatches.push_back(
          absl::StrCat(mismatch.namespace_(), " ", v1::Status_Name(mismatch.status()), ": ",
                       mismatch.counted(), " instead of ", mismatch.actual()));
    }
    return absl::OkStatus();
  }

  absl::Status Report() {
    const std::string markdown = SoakMarkdown(result_);
    Say(absl::StrCat("\n", markdown));
    if (options_.markdown.empty()) return absl::OkStatus();
    std::ofstream file(options_.markdown);
    file << markdown;
    if (file.flush()) return absl::OkStatus();
    return absl::InternalError(absl::StrCat("cannot write ", options_.markdown));
  }

  const Options& options_;
  const Servers servers_;
  const std::unique_ptr<v1::TrackerService::Stub> stub_;
  ReadProbe probe_;
  SoakResult result_;
};

}  // namespace

absl::Status RunSoak(const Options& options) {
  Options with_wal = options;
  // Before those of the command line, which win.
  with_wal.pg_settings.insert(with_wal.pg_settings.begin(), kMaxWalSize);
  auto servers = StartServers(with_wal);
  if (!servers.ok()) return servers.status();
  return Soak(options, *std::move(servers)).Run();
}

}  // namespace tracker::bench
