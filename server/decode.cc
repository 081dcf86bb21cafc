#include "server/decode.h"

#include <optional>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/decode_fields.h"
#include "server/struct_json.h"
#include "server/wire_time.h"
#include "src/base/limits.h"
#include "src/base/token.h"
#include "src/domain/validation.h"

namespace tracker::server {
namespace {

// In [0, 1). Chooses within a backoff's jitter; not a secret.
double Random() {
  thread_local std::mt19937_64 generator{std::random_device{}()};
  return static_cast<double>(generator() >> 11) * 0x1.0p-53;
}

template <typename Request>
domain::TaskKey DecodeKey(const Request& request, FieldErrors& errors) {
  errors.Check("namespace", domain::CheckNamespace(request.namespace_()));
  errors.Check("id", domain::CheckId(request.id()));
  return {.name_space = request.namespace_(), .id = request.id()};
}

template <typename Request>
std::optional<std::string> DecodeData(const Request& request, FieldErrors& errors) {
  if (!request.has_data()) return std::nullopt;
  absl::StatusOr<std::string> json = StructToJson(request.data());
  if (json.ok()) return *std::move(json);
  errors.Add("data", std::string(json.status().message()));
  return std::nullopt;
}

std::optional<absl::Time> DecodeAvailableTime(const google::protobuf::Timestamp& timestamp,
                                              FieldErrors& errors) {
  absl::StatusOr<absl::Time> decoded = FromProto(timestamp);
  if (!decoded.ok()) {
    errors.Add("available_time", std::string(decoded.status().message()));
    return std::nullopt;
  }
  // The server's clock is good enough for a bound of years.
  errors.Check("available_time", domain::CheckAvailableTime(*decoded, absl::Now()));
  return absl::FromUnixMicros(absl::ToUnixMicros(*decoded));
}

domain::Command MakeCommand(domain::TaskKey key, std::string token, domain::Action action) {
  return {.key = std::move(key),
          .token = std::move(token),
          .action = std::move(action),
          .random = Random()};
}

store::Order DecodeOrder(int order, FieldErrors& errors) {
  switch (order) {
    case v1::ORDER_UNSPECIFIED:
    case v1::ORDER_NEWEST_FIRST: return store::Order::kNewestFirst;
    case v1::ORDER_OLDEST_FIRST: return store::Order::kOldestFirst;
    case v1::ORDER_UPDATED_FIRST: return store::Order::kUpdatedFirst;
    default: errors.Add("order", absl::StrCat("is ", order, ", not an order"));
  }
  return store::Order::kNewestFirst;
}

int DecodePageSize(int page_size, int default_size, int largest, FieldErrors& errors) {
  if (page_size == 0) return default_size;
  if (page_size < 0 || page_size > largest) {
    errors.Add("page_size", absl::StrCat("is ", page_size, "; 0 (", default_size, ") to ", largest,
                                         " is allowed"));
  }
  return page_size;
}

std::string DecodePageToken(const std::string& token, FieldErrors& errors) {
  if (token.size() > limits::kPageTokenBytes)
    errors.Add("page_token", "is not one that this server gave out");
  return token;
}

}  // namespace

domain::Command Decode(const v1::CreateRequest& request, FieldErrors& errors) {
  domain::TaskKey key = DecodeKey(request, errors);
  domain::Create create{.data = DecodeData(request, errors).value_or(""),
                        .priority = request.priority(),
                        .max_attempts = request.max_attempts(),
                        .allow_existing = request.allow_existing()};
  if (request.has_available_time())
    create.available_time = DecodeAvailableTime(request.available_time(), errors);
  errors.Check("max_attempts", domain::CheckMaxAttempts(request.max_attempts()));
  return MakeCommand(std::move(key), NewLockToken(), std::move(create));
}

domain::Command Decode(const v1::StartRequest& request, FieldErrors& errors) {
  domain::TaskKey key = DecodeKey(request, errors);
  errors.Check("worker", domain::CheckWorker(request.worker()));
  domain::Start start{.worker = request.worker(),
                      .lease = DecodeLease(request, errors),
                      .ignore_lock = request.ignore_lock(),
                      .force = request.force(),
                      .create_if_missing = request.create_if_missing(),
                      .after = DecodeAfter(request.after(), request.namespace_(), errors)};
  std::string lock = DecodeNewLock(request.lock(), errors);
  return MakeCommand(std::move(key), std::move(lock), std::move(start));
}

domain::Command Decode(const v1::HeartbeatRequest& request, FieldErrors& errors) {
  domain::TaskKey key = DecodeKey(request, errors);
  std::string lock = DecodeLock(request.lock(), errors);
  domain::Heartbeat heartbeat{.lease = DecodeLease(request, errors),
                              .data = DecodeData(request, errors)};
  return MakeCommand(std::move(key), std::move(lock), std::move(heartbeat));
}

domain::Command Decode(const v1::SucceedRequest& request, FieldErrors& errors) {
  domain::TaskKey key = DecodeKey(request, errors);
  std::string lock = DecodeLock(request.lock(), errors);
  domain::Succeed succeed{.data = DecodeData(request, errors)};
  return MakeCommand(std::move(key), std::move(lock), std::move(succeed));
}

domain::Command Decode(const v1::FailRequest& request, FieldErrors& errors) {
  domain::TaskKey key = DecodeKey(request, errors);
  std::string lock = DecodeLock(request.lock(), errors);
  errors.Check("message", domain::CheckReport(request.message()));
  errors.Check("traceback", domain::CheckReport(request.traceback()));
  domain::Fail fail{.message = request.message(),
                    .traceback = request.traceback(),
                    .no_retry = request.no_retry()};
  if (request.has_retry_delay()) {
    fail.retry_delay =
        DecodeDuration(request.retry_delay(), "retry_delay", domain::CheckDelay, errors);
  }
  // Checked in any case: a client that sends bad data has a defect to be told of.
  std::optional<std::string> data = DecodeData(request, errors);
  if (request.keep_data()) fail.data = std::move(data);
  return MakeCommand(std::move(key), std::move(lock), std::move(fail));
}

domain::Command Decode(const v1::ReleaseRequest& request, FieldErrors& errors) {
  domain::TaskKey key = DecodeKey(request, errors);
  std::string lock = DecodeLock(request.lock(), errors);
  domain::Release release;
  if (request.has_delay()) {
    release.delay = DecodeDuration(request.delay(), "delay", domain::CheckDelay, errors)
                        .value_or(absl::ZeroDuration());
  }
  return MakeCommand(std::move(key), std::move(lock), release);
}

domain::Command Decode(const v1::IgnoreRequest& request, FieldErrors& errors) {
  return MakeCommand(DecodeKey(request, errors), NewLockToken(), domain::Ignore{});
}

domain::Command Decode(const v1::ResetRequest& request, FieldErrors& errors) {
  return MakeCommand(DecodeKey(request, errors), NewLockToken(),
                     domain::Reset{.force = request.force()});
}

domain::Command Decode(const v1::DeleteRequest& request, FieldErrors& errors) {
  return MakeCommand(DecodeKey(request, errors), NewLockToken(),
                     domain::Delete{.force = request.force()});
}

domain::Command DecodeOperation(const v1::Operation& operation, int index,
                                std::vector<FieldError>& errors) {
  const std::string path = absl::StrCat("operations[", index, "]");
  const auto decode = [&](absl::string_view name, const auto& request) {
    FieldErrors found(absl::StrCat(path, ".", name));
    domain::Command command = Decode(request, found);
    errors.insert(errors.end(), found.list().begin(), found.list().end());
    return command;
  };
  switch (operation.operation_case()) {
    case v1::Operation::kCreate: return decode("create", operation.create());
    case v1::Operation::kStart: return decode("start", operation.start());
    case v1::Operation::kHeartbeat: return decode("heartbeat", operation.heartbeat());
    case v1::Operation::kSucceed: return decode("succeed", operation.succeed());
    case v1::Operation::kFail: return decode("fail", operation.fail());
    case v1::Operation::kRelease: return decode("release", operation.release());
    case v1::Operation::kIgnore: return decode("ignore", operation.ignore());
    case v1::Operation::kReset: return decode("reset", operation.reset());
    case v1::Operation::kDelete: return decode("delete", operation.delete_());
    case v1::Operation::OPERATION_NOT_SET: break;
  }
  errors.push_back({path, "names no operation"});
  return {};
}

domain::TaskKey Decode(const v1::GetRequest& request, FieldErrors& errors) {
  return DecodeKey(request, errors);
}

service::ListRequest Decode(const v1::ListRequest& request, FieldErrors& errors) {
  service::ListRequest list;
  list.query = DecodeFilter(request, errors);
  list.page_token = DecodePageToken(request.page_token(), errors);
  list.query.order = DecodeOrder(request.order(), errors);
  list.query.limit =
      DecodePageSize(request.page_size(), limits::kDefaultPageSize, limits::kMaxPageSize, errors);
  list.query.byte_limit = limits::kAnswerBytes;
  return list;
}

service::CountRequest Decode(const v1::CountRequest& request, FieldErrors& errors) {
  if (!request.namespace_().empty())
    errors.Check("namespace", domain::CheckNamespace(request.namespace_()));
  service::CountRequest count;
  count.query.name_space = request.namespace_();
  count.query.limit =
      DecodePageSize(request.page_size(), limits::kNamePageSize, limits::kNamePageSize, errors);
  count.page_token = DecodePageToken(request.page_token(), errors);
  return count;
}

service::PoliciesRequest Decode(const v1::ListPoliciesRequest& request, FieldErrors& errors) {
  return {.page_size = DecodePageSize(request.page_size(), limits::kNamePageSize,
                                      limits::kNamePageSize, errors),
          .page_token = DecodePageToken(request.page_token(), errors)};
}

service::ClaimRequest Decode(const v1::ClaimRequest& request, FieldErrors& errors) {
  errors.Check("namespace", domain::CheckNamespace(request.namespace_()));
  service::ClaimRequest claim;
  claim.name_space = request.namespace_();
  if (request.limit() != 0) {
    errors.Check("limit", domain::CheckClaimLimit(request.limit()));
    claim.limit = request.limit();
  }
  errors.Check("worker", domain::CheckWorker(request.worker()));
  claim.worker = request.worker();
  claim.lease = DecodeLease(request, errors);
  if (request.has_wait()) {
    claim.wait = DecodeDuration(request.wait(), "wait", domain::CheckClaimWait, errors)
                     .value_or(absl::ZeroDuration());
  }
  claim.token = DecodeNewLock(request.lock(), errors);
  claim.after = DecodeAfter(request.after(), request.namespace_(), errors);
  return claim;
}

}  // namespace tracker::server
