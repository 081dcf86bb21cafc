#include "own_protos.h"

#include "google/protobuf/descriptor.h"
#include "google/rpc/status.pb.h"
#include "tracker/v1/tracker.pb.h"

std::string WorkerOf(const std::string& serialized_status) {
  // That these are the full messages, with descriptors, which can be registered only once.
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  if (pool->FindMessageTypeByName("google.rpc.Status") != google::rpc::Status::descriptor())
    return "";
  google::rpc::Status status;
  if (!status.ParseFromString(serialized_status)) return "";
  for (const auto& detail : status.details()) {
    tracker::v1::Task task;
    if (detail.UnpackTo(&task)) return task.worker();
  }
  return "";
}
