// Any bytes as a request: the first chooses the method, the rest is its message, as it comes from
// the wire. It is refused with INVALID_ARGUMENT, within the room that an error has, or it becomes a
// command that breaks no rule for what a user may send.
#include <grpcpp/support/byte_buffer.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "google/protobuf/struct.pb.h"
#include "server/batch_call.h"
#include "server/decode.h"
#include "server/errors.h"
#include "server/logging.h"
#include "server/struct_json.h"
#include "server/wire.h"
#include "src/base/limits.h"
#include "src/base/token.h"
#include "src/domain/transition.h"
#include "src/domain/validation.h"
#include "tests/fuzz/must.h"

namespace tracker::fuzz {
namespace {

// google.rpc.Code.
constexpr int kInvalidArgument = 3;

grpc::ByteBuffer BufferOf(const uint8_t* bytes, size_t size) {
  const grpc::Slice slice(bytes, size);
  return grpc::ByteBuffer(&slice, 1);
}

void CheckRefusal(const google::rpc::Status& refusal) {
  Must(refusal.code() == kInvalidArgument, "a bad request is an INVALID_ARGUMENT");
  Must(!refusal.message().empty(), "a refusal says why");
  Must(domain::IsUtf8(refusal.message()), "a refusal is UTF-8");
  Must(refusal.ByteSizeLong() <= limits::kErrorDetailsBytes, "a refusal fits its trailer");
}

void CheckData(const std::string& data) {
  google::protobuf::Struct object;
  Must(data.empty() || server::JsonToStruct(data, &object).ok(), "data can be read back");
  Must(data.size() <= limits::kDataBytes, "data is within its bound");
}

void CheckGood(const domain::Command& command) {
  Must(!domain::CheckNamespace(command.key.name_space), "a command's namespace is good");
  Must(!domain::CheckId(command.key.id), "a command's id is good");
  Must(ParseLockToken(command.token) == command.token, "a command's token is in its one form");
  if (const auto* create = std::get_if<domain::Create>(&command.action)) CheckData(create->data);
  if (const auto* start = std::get_if<domain::Start>(&command.action)) {
    Must(!domain::CheckWorker(start->worker), "a worker's name is good");
    Must(!start->lease || !domain::CheckLease(*start->lease), "a lease is within its bounds");
    Must(domain::CheckAfter(start->after, command.key.name_space).empty(), "steps are good");
  }
  if (const auto* fail = std::get_if<domain::Fail>(&command.action)) {
    Must(!domain::CheckReport(fail->message), "a message can be stored");
    Must(!fail->retry_delay || !domain::CheckDelay(*fail->retry_delay), "a delay is in its bounds");
    if (fail->data) CheckData(*fail->data);
  }
}

void CheckGood(const service::ClaimRequest& claim) {
  Must(!domain::CheckNamespace(claim.name_space), "a claim's namespace is good");
  Must(!domain::CheckClaimLimit(claim.limit), "a claim's limit is within its bounds");
  Must(!domain::CheckClaimWait(claim.wait), "a claim's wait is within its bounds");
}

void CheckGood(const domain::Policy& policy) {
  Must(domain::CheckPolicy(policy).empty(), "a policy breaks no rule");
}

// Of the others it is enough that they are decoded.
template <typename T>
void CheckGood(const T&) {}

template <typename Request>
void Try(const grpc::ByteBuffer& bytes) {
  Request request;
  if (const auto refusal = server::Parse(bytes, &request)) return CheckRefusal(*refusal);
  server::FieldErrors errors;
  const auto decoded = server::Decode(request, errors);
  if (!errors.empty()) return CheckRefusal(server::InvalidFields(errors.list()));
  CheckGood(decoded);
}

// A Batch has one answer with a result for each of its operations, whatever they become.
void TryBatch(const grpc::ByteBuffer& bytes) {
  v1::BatchRequest request;
  if (const auto refusal = server::Parse(bytes, &request)) return CheckRefusal(*refusal);
  if (static_cast<size_t>(request.operations_size()) > limits::kBatchOperations) return;
  server::BatchCall call(request);
  std::vector<domain::Outcome> outcomes;
  for (const domain::Command& command : call.TakeCommands()) {
    CheckGood(command);
    std::optional<domain::Task> task;
    outcomes.push_back(domain::Apply(task, command, absl::FromUnixSeconds(1'800'000'000)).outcome);
  }
  const v1::BatchResponse answer = call.Answer(outcomes);
  Must(answer.results_size() == request.operations_size(), "each operation has its result");
  Must(answer.ByteSizeLong() <= limits::kAnswerBytes, "an answer fits");
}

using Attempt = void (*)(const grpc::ByteBuffer&);
constexpr Attempt kMethods[] = {
    TryBatch,
    Try<v1::ClaimRequest>,
    Try<v1::CreateRequest>,
    Try<v1::StartRequest>,
    Try<v1::HeartbeatRequest>,
    Try<v1::SucceedRequest>,
    Try<v1::FailRequest>,
    Try<v1::ReleaseRequest>,
    Try<v1::IgnoreRequest>,
    Try<v1::ResetRequest>,
    Try<v1::DeleteRequest>,
    Try<v1::GetRequest>,
    Try<v1::ListRequest>,
    Try<v1::CountRequest>,
    Try<v1::SetPolicyRequest>,
    Try<v1::ListPoliciesRequest>,
    Try<v1::BulkUpdateRequest>,
    Try<v1::GroupErrorsRequest>,
    Try<v1::PurgeRequest>,
};

}  // namespace
}  // namespace tracker::fuzz

// What protobuf has to say about each bad string would slow it down.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  tracker::server::TakeOverLibraryLogs();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using tracker::fuzz::kMethods;
  if (size == 0) return 0;
  kMethods[bytes[0] % std::size(kMethods)](tracker::fuzz::BufferOf(bytes + 1, size - 1));
  return 0;
}
