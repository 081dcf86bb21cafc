#include "tests/bench/pgbench_program.h"

#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/bench/interrupt.h"
#include "tests/support/child_process.h"

namespace tracker::bench {
namespace {

constexpr absl::Duration kTimeLimit = absl::Minutes(10);

struct Folder {
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "tracker-pgbench-XXXXXX").string();
    if (mkdtemp(name.data()) != nullptr) path = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string path;
};

absl::StatusOr<std::string> RunProgram(const std::vector<std::string>& argv, const Folder& folder) {
  const std::string output = folder.path + "/output";
  absl::StatusOr<pid_t> pid = testing::StartChild(
      argv, {.output_file = output, .working_folder = folder.path, .die_with_parent = true});
  if (!pid.ok()) return pid.status();
  int exit_status = 0;
  const absl::Time end = absl::Now() + kTimeLimit;
  while (!testing::WaitForChild(*pid, absl::Milliseconds(200), &exit_status)) {
    if (!Interrupted() && absl::Now() < end) continue;
    kill(*pid, SIGKILL);
    testing::WaitForChild(*pid, absl::Seconds(10), nullptr);
    if (Interrupted()) return InterruptedError();
    return absl::DeadlineExceededError(absl::StrCat(argv[0], " did not end"));
  }
  std::stringstream text;
  text << std::ifstream(output).rdbuf();
  if (exit_status != 0) return absl::InternalError(absl::StrCat(argv[0], ": ", text.str()));
  return text.str();
}

}  // namespace

absl::Status RunSql(const testing::PostgresCluster& cluster, const std::string& database,
                    const std::string& sql) {
  const Folder folder;
  const std::string file = folder.path + "/statements.sql";
  std::ofstream(file) << sql;
  return RunProgram({cluster.program_folder() + "/psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", file,
                     cluster.Url(database)},
                    folder)
      .status();
}

absl::StatusOr<double> RunPgbenchScript(const testing::PostgresCluster& cluster,
                                        const std::string& database, const std::string& script,
                                        int clients, absl::Duration duration) {
  const Folder folder;
  const std::string file = folder.path + "/script.sql";
  std::ofstream(file) << script;
  const int threads = clients > 1 ? 2 : 1;
  absl::StatusOr<std::string> output =
      RunProgram({cluster.program_folder() + "/pgbench", "-n", "-M", "prepared", "-f", file, "-c",
                  absl::StrCat(clients), "-j", absl::StrCat(threads), "-T",
                  absl::StrCat(absl::ToInt64Seconds(duration)), cluster.Url(database)},
                 folder);
  if (!output.ok()) return output.status();
  std::smatch match;
  double rate = 0;
  if (!std::regex_search(*output, match, std::regex("tps = ([0-9.]+) \\(without")) ||
      !absl::SimpleAtod(match[1].str(), &rate)) {
    return absl::InternalError(absl::StrCat("pgbench printed no rate: ", *output));
  }
  return rate;
}

}  // namespace tracker::bench
