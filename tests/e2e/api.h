// What the end-to-end tests say to trackerd: the generated stub over a connection of its own, with
// refusals taken apart. Api is thread-safe.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/channel.h"
#include "tracker/v1/tracker.grpc.pb.h"

namespace tracker::e2e {

// The error details of a refusal.
struct Refusal {
  std::string reason;
  std::string domain;
  std::map<std::string, std::string> metadata;
  std::optional<absl::Duration> retry_after;
  std::optional<v1::Task> task;
  // Of a BadRequest.
  std::vector<std::string> fields;
};

Refusal RefusalOf(const google::rpc::Status& error);
Refusal RefusalOf(const grpc::Status& status);

template <typename Response>
struct Reply {
  grpc::Status status;
  Response body;

  bool ok() const { return status.ok(); }
  grpc::StatusCode code() const { return status.error_code(); }
  Refusal refusal() const { return RefusalOf(status); }
  // "OK", or the reason of the refusal, or else the status in words.
  std::string Verdict() const;
};

std::string VerdictOf(const grpc::Status& status);

template <typename Response>
std::string Reply<Response>::Verdict() const {
  return VerdictOf(status);
}

class Api {
 public:
  using Stub = v1::TrackerService::Stub;

  // A connection that is shared with no other Api, and comes back quickly when the server does.
  explicit Api(const std::string& address);

  // Of the calls from now on; 30 s before it is set.
  void SetTimeout(absl::Duration timeout) { timeout_us_ = absl::ToInt64Microseconds(timeout); }

  auto Call(const v1::CreateRequest& r) { return Do<v1::CreateResponse>(&Stub::Create, r); }
  auto Call(const v1::StartRequest& r) { return Do<v1::StartResponse>(&Stub::Start, r); }
  auto Call(const v1::ClaimRequest& r) { return Do<v1::ClaimResponse>(&Stub::Claim, r); }
  auto Call(const v1::HeartbeatRequest& r) {
    return Do<v1::HeartbeatResponse>(&Stub::Heartbeat, r);
  }
  auto Call(const v1::SucceedRequest& r) { return Do<v1::SucceedResponse>(&Stub::Succeed, r); }
  auto Call(const v1::FailRequest& r) { return Do<v1::FailResponse>(&Stub::Fail, r); }
  auto Call(const v1::ReleaseRequest& r) { return Do<v1::ReleaseResponse>(&Stub::Release, r); }
  auto Call(const v1::IgnoreRequest& r) { return Do<v1::IgnoreResponse>(&Stub::Ignore, r); }
  auto Call(const v1::ResetRequest& r) { return Do<v1::ResetResponse>(&Stub::Reset, r); }
  auto Call(const v1::DeleteRequest& r) { return Do<v1::DeleteResponse>(&Stub::Delete, r); }
  auto Call(const v1::GetRequest& r) { return Do<v1::GetResponse>(&Stub::Get, r); }
  auto Call(const v1::ListRequest& r) { return Do<v1::ListResponse>(&Stub::List, r); }
  auto Call(const v1::CountRequest& r) { return Do<v1::CountResponse>(&Stub::Count, r); }
  auto Call(const v1::SetPolicyRequest& r) {
    return Do<v1::SetPolicyResponse>(&Stub::SetPolicy, r);
  }
  auto Call(const v1::GetPolicyRequest& r) {
    return Do<v1::GetPolicyResponse>(&Stub::GetPolicy, r);
  }
  auto Call(const v1::DeletePolicyRequest& r) {
    return Do<v1::DeletePolicyResponse>(&Stub::DeletePolicy, r);
  }
  auto Call(const v1::BatchRequest& r) { return Do<v1::BatchResponse>(&Stub::Batch, r); }

  // The task; throws when there is none.
  v1::Task Get(const std::string& id);
  // All tasks of the namespace, page by page, by their ids.
  std::map<std::string, v1::Task> ListAll(const std::string& name_space, int page_size = 1000);
  // What Count says of the namespace.
  std::map<v1::Status, int64_t> Count(const std::string& name_space);

  // Sends the bytes as a request of the method ("Start"), well-formed or not.
  grpc::Status Raw(const std::string& method, const std::string& bytes,
                   std::string* answer = nullptr);
  // Waits inside of gRPC, which gets on with a broken connection only while some thread does.
  void Pause(absl::Duration duration);

  // The health of "" as grpc.health.v1 has it; false when nobody answers.
  bool Serving(const std::string& service = "");

 private:
  template <typename Response, typename Request>
  Reply<Response> Do(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                     const Request& request) {
    Reply<Response> reply;
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Microseconds(timeout_us_.load())));
    reply.status = ((*stub_).*method)(&context, request, &reply.body);
    return reply;
  }

  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<Stub> stub_;
  std::atomic<int64_t> timeout_us_ = 30'000'000;
};

// The namespace of all tests that need no other.
inline constexpr char kJobs[] = "jobs";

// A request that names a task of kJobs.
template <typename Request>
Request For(const std::string& id) {
  Request request;
  request.set_namespace_(kJobs);
  request.set_id(id);
  return request;
}

// The same with a lock.
template <typename Request>
Request Held(const std::string& id, const std::string& lock) {
  Request request = For<Request>(id);
  request.set_lock(lock);
  return request;
}

// Holds for an hour, so that no lease ends in a test that is not about that.
v1::StartRequest StartOf(const std::string& id, const std::string& lock,
                         absl::Duration lease = absl::Hours(1));

void SetDuration(absl::Duration duration, google::protobuf::Duration* out);
absl::Duration ToDuration(const google::protobuf::Duration& duration);

// Equal in every field.
bool Same(const google::protobuf::Message& a, const google::protobuf::Message& b);

}  // namespace tracker::e2e
