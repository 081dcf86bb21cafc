#include "tests/bench/servers.h"

#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tracker::bench {

absl::StatusOr<Servers> StartServers(const Options& options) {
  testing::PostgresClusterOptions cluster_options;
  cluster_options.parent_folder = options.data_folder;
  if (options.flush_us > 0) {
    // PostgreSQL waits so long before each flush, however few commits wait for it: a slower disk.
    cluster_options.settings = {absl::StrCat("commit_delay=", options.flush_us),
                                "commit_siblings=0"};
  }
  cluster_options.settings.insert(cluster_options.settings.end(), options.pg_settings.begin(),
                                  options.pg_settings.end());
  Servers servers;
  auto cluster = testing::PostgresCluster::Start(cluster_options);
  if (!cluster.ok()) return cluster.status();
  servers.cluster = *std::move(cluster);
  if (absl::Status made = servers.cluster->CreateDatabase(kDatabase); !made.ok()) return made;
  auto trackerd =
      testing::TrackerdProcess::Start(options.trackerd, servers.DatabaseUrl(), options.flags);
  if (!trackerd.ok()) return trackerd.status();
  servers.trackerd = *std::move(trackerd);
  return servers;
}

void Say(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

}  // namespace tracker::bench
