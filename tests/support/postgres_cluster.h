// A private PostgreSQL cluster for tests and benchmarks: its own folder, its own port on 127.0.0.1,
// gone with the object. Its folder is a GuardedFolder, so that nothing is left of it should this
// process die without destroying it.
//
// A second one may stream from it and take its place (StartStandby, Promote); both are private to
// 127.0.0.1.
//
// Thread-compatible: CreateDatabase, Url and port may be called by several threads, all else by
// one.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tests/support/guarded_folder.h"

namespace tracker::testing {

struct PostgresClusterOptions {
  // Off makes commits quicker than any real one: only where durability and speed are not the point.
  bool fsync = true;
  int max_connections = 200;
  // Databases sort text by this ICU locale, as many real ones do ("en-US"). Empty, or before
  // PostgreSQL 15: byte by byte.
  std::string icu_locale;
  // Where its folder goes; empty: among the temporary files. Must be short: a socket lies in it.
  std::string parent_folder;
  // Further settings, "name=value" each.
  std::vector<std::string> settings;
};

class PostgresCluster {
 public:
  // Makes the cluster and starts it; takes about two seconds. As root it runs under another user,
  // as PostgreSQL insists. NotFound where PostgreSQL is not installed.
  static absl::StatusOr<std::unique_ptr<PostgresCluster>> Start(
      const PostgresClusterOptions& options = {});

  ~PostgresCluster();
  PostgresCluster(const PostgresCluster&) = delete;
  PostgresCluster& operator=(const PostgresCluster&) = delete;

  // "postgresql://postgres@127.0.0.1:PORT/DATABASE". The port stays the same over StartAgain.
  std::string Url(absl::string_view database) const;
  int port() const { return port_; }
  // The folder of the unix socket, to be used as the host.
  const std::string& socket_folder() const { return folder_->path(); }
  // Where pgbench, psql and the other programs of this PostgreSQL are.
  const std::string& program_folder() const { return program_folder_; }

  absl::Status CreateDatabase(absl::string_view name) const;

  // Breaks every connection, rolls open transactions back and waits until all is written and gone.
  absl::Status Stop();
  // As a power cut would: nothing is written any more, the next start recovers from the log.
  absl::Status Crash();
  // SIGKILL to the server and all of its processes: as a power cut to them, while the machine goes
  // on. Connections are reset.
  absl::Status KillAtOnce();
  // SIGSTOP to the server and all of its processes: connections stay open, and the machine's kernel
  // accepts more, but nobody answers. Until Thaw, or any end of the server.
  absl::Status Freeze();
  void Thaw();
  // After Stop, Crash or KillAtOnce, or when the server has ended by itself.
  absl::Status StartAgain();
  bool running() const { return server_ > 0; }
  // Waits until the server has ended by itself, as after a PANIC; whether it has.
  bool AwaitEnd(absl::Duration timeout);

  // Makes another cluster that streams from this one, and has each commit here wait for it:
  // synchronous_standby_names is 'ANY 1 (*)' from here on. While the standby is away no commit
  // ends; Alter("synchronous_standby_names", "") ends that.
  absl::StatusOr<std::unique_ptr<PostgresCluster>> StartStandby(
      const PostgresClusterOptions& options = {});
  // Makes a primary of a standby, on the next timeline. Whoever it streamed from should be gone.
  absl::Status Promote() const;
  // A setting that can be changed while the server runs; holds for connections made afterwards, and
  // over StartAgain.
  absl::Status Alter(const std::string& setting, const std::string& value) const;

  // The end of the server's log, for a failure message.
  std::string LogTail() const;

 private:
  PostgresCluster() = default;

  absl::Status MakeFolder(const PostgresClusterOptions& options);
  std::string DataFolder() const { return folder_->path() + "/data"; }
  std::string LogFile() const { return folder_->path() + "/log"; }
  // Started in the cluster's folder, as the cluster's user, with the cluster's log.
  absl::StatusOr<pid_t> StartProgram(const std::vector<std::string>& command);
  // The same, and waits for its good end.
  absl::Status RunToEnd(const std::vector<std::string>& command);
  absl::Status RunInitdb(const std::vector<std::string>& locale_arguments);
  absl::Status Initialize(const PostgresClusterOptions& options);
  void UseSettings(const PostgresClusterOptions& options);
  absl::Status StartOnFreePort();
  absl::Status WaitUntilReady();
  absl::Status StopBy(int signal);
  void RemoveSharedMemory() const;

  // Constant after Start.
  std::string program_folder_;
  std::unique_ptr<GuardedFolder> folder_;
  std::vector<std::string> settings_;
  int port_ = 0;
  // Whom the server runs as; 0: as this process.
  uid_t uid_ = 0;
  gid_t gid_ = 0;

  // -1: not running.
  pid_t server_ = -1;
  // Its processes while they are frozen.
  std::vector<pid_t> frozen_;
};

}  // namespace tracker::testing
