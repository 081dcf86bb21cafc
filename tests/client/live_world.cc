#include "tests/client/live_world.h"

#include <cstdlib>
#include <filesystem>
#include <thread>

namespace tracker::testing {

void Live::SetUp() {
  std::string folder =
      (std::filesystem::temp_directory_path() / "tracker_client_live.XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  folder_ = folder;
  auto server = TrackerdProcess::Start(TRACKERD, "sqlite:" + folder_ + "/tracker.db");
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  client_ = Client::Connect(server_->address());
}

void Live::TearDown() {
  client_.reset();  // a server that drains waits for its clients
  server_.reset();
  std::filesystem::remove_all(folder_);
}

absl::StatusOr<TaskGuard> Live::Start(const std::string& id, absl::Duration lease) {
  return client_->Start("jobs", id, {.lease = lease, .create_if_missing = true});
}

void Live::Sleep(absl::Duration duration) {
  std::this_thread::sleep_for(absl::ToChronoMilliseconds(duration));
}

}  // namespace tracker::testing
