#include "tracker/operator.h"

#include <grpcpp/support/sync_stream.h>

#include <utility>

#include "client/src/check_text.h"
#include "client/src/convert.h"
#include "client/src/grpc_channels.h"
#include "client/src/grpc_context.h"
#include "client/src/operator_convert.h"
#include "client/src/retry.h"

namespace tracker {
namespace {

namespace v1 = internal::v1;
using internal::CheckText;
using internal::FromProto;
using internal::ToProto;

absl::Status CheckTexts(const BulkOptions& options) {
  absl::Status status = CheckText("namespace", options.name_space);
  status.Update(CheckText("id_prefix", options.id_prefix));
  status.Update(CheckText("worker", options.worker));
  status.Update(CheckText("error_text", options.error_text));
  status.Update(CheckText("error_fingerprint", options.error_fingerprint));
  return status;
}

}  // namespace

// Over the connections of one client; repeats by retry.h.
class Operator::Impl final : public internal::Pausing {
 public:
  Impl(absl::StatusOr<std::unique_ptr<internal::GrpcChannels>> channels, ClientOptions options)
      : channels_(std::move(channels)), options_(std::move(options)) {}

  // `get_stub` is GrpcChannels::Next or Admin.
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Ask(Stub& (internal::GrpcChannels::*get_stub)(),
                               grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                            Response*),
                               const Request& request) {
    if (!channels_.ok()) return channels_.status();
    return Repeat({}, [&](absl::Duration timeout) -> absl::StatusOr<Response> {
      internal::GrpcContext context({timeout, {}}, (*channels_)->authorization());
      Response response;
      const grpc::Status status =
          (((**channels_).*get_stub)().*method)(context.get(), request, &response);
      if (!status.ok()) return context.StatusOf(status);
      return response;
    });
  }

  // `Progress` is what a Response tells.
  template <typename Progress, typename Stub, typename Request, typename Response>
  absl::StatusOr<Progress> Job(Stub& (internal::GrpcChannels::*get_stub)(),
                               std::unique_ptr<grpc::ClientReader<Response>> (Stub::*method)(
                                   grpc::ClientContext*, const Request&),
                               const Request& request,
                               const std::function<void(const Progress&)>& on_progress,
                               const std::stop_token& cancel) {
    if (!channels_.ok()) return channels_.status();
    // Of the attempt that came to life: it is not repeated.
    absl::Status ended;
    auto last = Repeat(cancel, [&](absl::Duration) -> absl::StatusOr<Progress> {
      internal::GrpcContext context({absl::InfiniteDuration(), cancel},
                                    (*channels_)->authorization());
      auto reader = (((**channels_).*get_stub)().*method)(context.get(), request);
      std::optional<Progress> progress;
      for (Response response; reader->Read(&response);) {
        progress = FromProto(response);
        if (on_progress) on_progress(*progress);
      }
      const absl::Status status = context.StatusOf(reader->Finish());
      if (!progress) return status.ok() ? absl::InternalError("a job without a word") : status;
      ended = status;
      return *progress;
    });
    if (!ended.ok()) return ended;
    return last;
  }

 private:
  template <typename Attempt>
  auto Repeat(const std::stop_token& cancel, const Attempt& attempt) {
    return internal::Retry(*this, *internal::Clock::Real(), options_.deadline, cancel, attempt);
  }
  void Pause(internal::Clock&, absl::Duration duration) override {
    (*channels_)->Connect(duration);
  }

  const absl::StatusOr<std::unique_ptr<internal::GrpcChannels>> channels_;
  const ClientOptions options_;
};

namespace {

using Channels = internal::GrpcChannels;
using Stub = v1::TrackerService::Stub;
using AdminStub = v1::AdminService::Stub;

}  // namespace

std::shared_ptr<Operator> Operator::Connect(const std::string& addresses, ClientOptions options) {
  auto channels = Channels::Open(addresses, options);
  return std::shared_ptr<Operator>(
      new Operator(std::make_unique<Impl>(std::move(channels), std::move(options))));
}

Operator::Operator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Operator::~Operator() = default;

absl::StatusOr<Policy> Operator::SetPolicy(const Policy& policy) {
  absl::Status status = CheckText("policy.namespace", policy.name_space);
  status.Update(CheckText("policy.pause_reason", policy.pause_reason));
  if (!status.ok()) return status;
  v1::SetPolicyRequest request;
  *request.mutable_policy() = ToProto(policy);
  const auto response = impl_->Ask(&Channels::Next, &Stub::SetPolicy, request);
  if (!response.ok()) return response.status();
  return FromProto(response->policy());
}

absl::StatusOr<Policy> Operator::GetPolicy(const std::string& name_space) {
  if (absl::Status status = CheckText("namespace", name_space); !status.ok()) return status;
  v1::GetPolicyRequest request;
  request.set_namespace_(name_space);
  const auto response = impl_->Ask(&Channels::Next, &Stub::GetPolicy, request);
  if (!response.ok()) return response.status();
  return FromProto(response->policy());
}

absl::StatusOr<std::vector<Policy>> Operator::ListPolicies() {
  v1::ListPoliciesRequest request;
  std::vector<Policy> policies;
  do {
    const auto response = impl_->Ask(&Channels::Next, &Stub::ListPolicies, request);
    if (!response.ok()) return response.status();
    for (const v1::Policy& policy : response->policies()) policies.push_back(FromProto(policy));
    request.set_page_token(response->next_page_token());
  } while (!request.page_token().empty());
  return policies;
}

absl::Status Operator::DeletePolicy(const std::string& name_space) {
  if (absl::Status status = CheckText("namespace", name_space); !status.ok()) return status;
  v1::DeletePolicyRequest request;
  request.set_namespace_(name_space);
  return impl_->Ask(&Channels::Next, &Stub::DeletePolicy, request).status();
}

absl::StatusOr<ErrorGroups> Operator::GroupErrors(const std::string& name_space,
                                                  const std::vector<TaskStatus>& statuses,
                                                  int limit) {
  if (absl::Status status = CheckText("namespace", name_space); !status.ok()) return status;
  v1::GroupErrorsRequest request;
  request.set_namespace_(name_space);
  for (TaskStatus status : statuses)
    request.add_statuses(static_cast<v1::Status>(static_cast<int>(status)));
  request.set_limit(limit);
  const auto response = impl_->Ask(&Channels::Next, &Stub::GroupErrors, request);
  if (!response.ok()) return response.status();
  return FromProto(*response);
}

absl::StatusOr<JobProgress> Operator::BulkUpdate(const BulkOptions& options,
                                                 const OnProgress& on_progress,
                                                 std::stop_token cancel) {
  if (absl::Status status = CheckTexts(options); !status.ok()) return status;
  return impl_->Job(&Channels::Next, &Stub::BulkUpdate, ToProto(options), on_progress, cancel);
}

absl::StatusOr<JobProgress> Operator::Expire(bool dry_run, const OnProgress& on_progress,
                                             std::stop_token cancel) {
  v1::ExpireRequest request;
  request.set_dry_run(dry_run);
  return impl_->Job(&Channels::Admin, &AdminStub::Expire, request, on_progress, cancel);
}

absl::StatusOr<JobProgress> Operator::Purge(const std::string& name_space, bool dry_run,
                                            const OnProgress& on_progress, std::stop_token cancel) {
  if (absl::Status status = CheckText("namespace", name_space); !status.ok()) return status;
  v1::PurgeRequest request;
  request.set_namespace_(name_space);
  request.set_dry_run(dry_run);
  return impl_->Job(&Channels::Admin, &AdminStub::Purge, request, on_progress, cancel);
}

absl::StatusOr<CheckReport> Operator::Check(const OnReport& on_report, std::stop_token cancel) {
  return impl_->Job(&Channels::Admin, &AdminStub::Check, v1::CheckRequest(), on_report, cancel);
}

absl::StatusOr<CheckReport> Operator::Repair(const OnReport& on_report, std::stop_token cancel) {
  return impl_->Job(&Channels::Admin, &AdminStub::Repair, v1::RepairRequest(), on_report, cancel);
}

absl::StatusOr<CountCheck> Operator::CheckCounts() {
  const auto response =
      impl_->Ask(&Channels::Admin, &AdminStub::CheckCounts, v1::CheckCountsRequest());
  if (!response.ok()) return response.status();
  return FromProto(*response);
}

}  // namespace tracker
