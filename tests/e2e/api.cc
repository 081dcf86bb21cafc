#include "tests/e2e/api.h"

#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/message_differencer.h"
#include "google/rpc/error_details.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/security/credentials.h"

namespace tracker::e2e {
namespace {

constexpr char kService[] = "/tracker.v1.TrackerService/";
constexpr char kHealthCheck[] = "/grpc.health.v1.Health/Check";

std::shared_ptr<grpc::Channel> Connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

grpc::Status CallBytes(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
                       const std::string& bytes, std::string* answer) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(30)));
  grpc::CompletionQueue queue;
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  auto call = stub.PrepareUnaryCall(&context, path, request, &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  std::vector<grpc::Slice> slices;
  if (answer != nullptr && status.ok() && response.Dump(&slices).ok()) {
    answer->clear();
    for (const grpc::Slice& part : slices)
      answer->append(reinterpret_cast<const char*>(part.begin()), part.size());
  }
  return status;
}

}  // namespace

Refusal RefusalOf(const google::rpc::Status& error) {
  Refusal refusal;
  google::rpc::ErrorInfo info;
  google::rpc::RetryInfo retry;
  google::rpc::BadRequest bad;
  v1::Task task;
  for (const google::protobuf::Any& detail : error.details()) {
    if (detail.UnpackTo(&info)) {
      refusal.reason = info.reason();
      refusal.domain = info.domain();
      refusal.metadata = {info.metadata().begin(), info.metadata().end()};
    } else if (detail.UnpackTo(&retry)) {
      refusal.retry_after = ToDuration(retry.retry_delay());
    } else if (detail.UnpackTo(&bad)) {
      for (const auto& violation : bad.field_violations())
        refusal.fields.push_back(violation.field());
    } else if (detail.UnpackTo(&task)) {
      refusal.task = task;
    }
  }
  return refusal;
}

Refusal RefusalOf(const grpc::Status& status) {
  google::rpc::Status error;
  error.ParseFromString(status.error_details());
  return RefusalOf(error);
}

std::string VerdictOf(const grpc::Status& status) {
  if (status.ok()) return "OK";
  const std::string reason = RefusalOf(status).reason;
  if (!reason.empty()) return reason;
  return absl::StrCat("code ", status.error_code(), ": ", status.error_message());
}

Api::Api(const std::string& address)
    : channel_(Connect(address)), stub_(v1::TrackerService::NewStub(channel_)) {}

v1::Task Api::Get(const std::string& id) {
  const auto reply = Call(For<v1::GetRequest>(id));
  if (!reply.ok()) throw std::runtime_error("Get " + id + ": " + reply.Verdict());
  return reply.body.task();
}

std::map<std::string, v1::Task> Api::ListAll(const std::string& name_space, int page_size) {
  std::map<std::string, v1::Task> tasks;
  v1::ListRequest request;
  request.set_namespace_(name_space);
  request.set_page_size(page_size);
  do {
    const auto page = Call(request);
    if (!page.ok()) throw std::runtime_error("List: " + page.Verdict());
    for (const v1::Task& task : page.body.tasks()) {
      if (!tasks.emplace(task.id(), task).second)
        throw std::runtime_error("List shows twice: " + task.id());
    }
    request.set_page_token(page.body.next_page_token());
  } while (!request.page_token().empty());
  return tasks;
}

std::map<v1::Status, int64_t> Api::Count(const std::string& name_space) {
  v1::CountRequest request;
  request.set_namespace_(name_space);
  const auto reply = Call(request);
  if (!reply.ok()) throw std::runtime_error("Count: " + reply.Verdict());
  std::map<v1::Status, int64_t> counts;
  for (const v1::StatusCount& count : reply.body.counts()) counts[count.status()] += count.count();
  return counts;
}

grpc::Status Api::Raw(const std::string& method, const std::string& bytes, std::string* answer) {
  return CallBytes(channel_, kService + method, bytes, answer);
}

void Api::Pause(absl::Duration duration) {
  const auto end = absl::ToChronoTime(absl::Now() + duration);
  grpc_connectivity_state state = channel_->GetState(/*try_to_connect=*/true);
  while (channel_->WaitForStateChange(state, end)) state = channel_->GetState(true);
}

bool Api::Serving(const std::string& service) {
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  std::string bytes;
  grpc::health::v1::HealthCheckResponse response;
  return CallBytes(channel_, kHealthCheck, request.SerializeAsString(), &bytes).ok() &&
         response.ParseFromString(bytes) &&
         response.status() == grpc::health::v1::HealthCheckResponse::SERVING;
}

v1::StartRequest StartOf(const std::string& id, const std::string& lock, absl::Duration lease) {
  v1::StartRequest request = Held<v1::StartRequest>(id, lock);
  request.set_worker("worker-of-" + lock.substr(0, 8));
  SetDuration(lease, request.mutable_lease());
  return request;
}

void SetDuration(absl::Duration duration, google::protobuf::Duration* out) {
  const int64_t seconds = absl::IDivDuration(duration, absl::Seconds(1), &duration);
  out->set_seconds(seconds);
  out->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

bool Same(const google::protobuf::Message& a, const google::protobuf::Message& b) {
  return google::protobuf::util::MessageDifferencer::Equals(a, b);
}

}  // namespace tracker::e2e
