#include "server/handlers.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/batch_call.h"
#include "server/call.h"
#include "server/claim_handler.h"
#include "server/encode.h"
#include "server/errors.h"
#include "server/job_handlers.h"
#include "server/policy_handlers.h"
#include "server/unary.h"
#include "src/base/limits.h"
#include "tracker/v1/tracker.grpc.pb.h"

namespace tracker::server {
namespace {

using Context = grpc::CallbackServerContext;
using Bytes = grpc::ByteBuffer;
using Reactor = grpc::ServerUnaryReactor;
using StreamReactor = grpc::ServerWriteReactor<Bytes>;

// The generated service with every method raw (see wire.h). The generated classes wrap each other.
template <typename Base>
using RawWrites = v1::TrackerService::WithRawCallbackMethod_Create<
    v1::TrackerService::WithRawCallbackMethod_Start<
        v1::TrackerService::WithRawCallbackMethod_Heartbeat<
            v1::TrackerService::WithRawCallbackMethod_Succeed<
                v1::TrackerService::WithRawCallbackMethod_Fail<
                    v1::TrackerService::WithRawCallbackMethod_Release<
                        v1::TrackerService::WithRawCallbackMethod_Ignore<
                            v1::TrackerService::WithRawCallbackMethod_Reset<
                                v1::TrackerService::WithRawCallbackMethod_Delete<
                                    v1::TrackerService::WithRawCallbackMethod_Batch<Base>>>>>>>>>>;
template <typename Base>
using RawReads =
    v1::TrackerService::WithRawCallbackMethod_Get<v1::TrackerService::WithRawCallbackMethod_List<
        v1::TrackerService::WithRawCallbackMethod_Count<Base>>>;
template <typename Base>
using RawPolicies = v1::TrackerService::WithRawCallbackMethod_SetPolicy<
    v1::TrackerService::WithRawCallbackMethod_GetPolicy<
        v1::TrackerService::WithRawCallbackMethod_ListPolicies<
            v1::TrackerService::WithRawCallbackMethod_DeletePolicy<Base>>>>;
template <typename Base>
using RawMany = v1::TrackerService::WithRawCallbackMethod_Claim<
    v1::TrackerService::WithRawCallbackMethod_BulkUpdate<
        v1::TrackerService::WithRawCallbackMethod_GroupErrors<Base>>>;
using RawService = RawWrites<RawReads<RawPolicies<RawMany<v1::TrackerService::Service>>>>;

// Answers with a Response that has the outcome's task, or refuses.
template <typename Response>
void FinishWithTask(Call* call, const domain::Outcome& outcome) {
  if (!outcome.ok() || !outcome.task) return call->Refuse(outcome);
  Response response;
  EncodeTask(*outcome.task, outcome.now, response.mutable_task());
  if (absl::Status status = EncodePayload(*outcome.task, response.mutable_task()); !status.ok())
    return call->Refuse(status);
  call->Answer(response);
}

class Handlers final : public RawService {
 public:
  explicit Handlers(service::Tracker* tracker) : tracker_(tracker) {}

  Reactor* Create(Context* context, const Bytes* request, Bytes* response) override {
    return Write<v1::CreateRequest, v1::CreateResponse>("Create", context, request, response);
  }
  Reactor* Start(Context* context, const Bytes* request, Bytes* response) override {
    return Write<v1::StartRequest, v1::StartResponse>("Start", context, request, response);
  }
  Reactor* Heartbeat(Context* context, const Bytes* request, Bytes* response) override {
    return Write<v1::HeartbeatRequest, v1::HeartbeatResponse>("Heartbeat", context, request,
                                                              response);
  }
  Reactor* Succeed(Context* context, const Bytes* request, Bytes* response) override {
    return Write<v1::SucceedRequest, v1::SucceedResponse>("Succeed", context, request, response);
  }
  Reactor* Fail(Context* context, const Bytes* request, Bytes* response) override {
    return Write<v1::FailRequest, v1::FailResponse>("Fail", context, request, response);
  }
  Reactor* Release(Context* context, const Bytes* request, Bytes* response) override {
    return Write<v1::ReleaseRequest, v1::ReleaseResponse>("Release", context, request, response);
  }
  Reactor* Ignore(Context* context, const Bytes* request, Bytes* response) override {
    return Write<v1::IgnoreRequest, v1::IgnoreResponse>("Ignore", context, request, response);
  }
  Reactor* Reset(Context* context, const Bytes* request, Bytes* response) override {
    return Write<v1::ResetRequest, v1::ResetResponse>("Reset", context, request, response);
  }
  Reactor* Delete(Context* context, const Bytes* request, Bytes* response) override {
    return Write<v1::DeleteRequest, v1::DeleteResponse>("Delete", context, request, response);
  }

  Reactor* Batch(Context* context, const Bytes* request, Bytes* response) override {
    auto* call = new Call("Batch", context, response, /*writes=*/true);
    if (call->RefuseIfFull()) return call;
    const auto batch = ParseOrRefuse<v1::BatchRequest>(*request, call);
    if (!batch) return call;
    if (const int count = batch->operations_size();
        count == 0 || count > static_cast<int>(limits::kBatchOperations)) {
      call->Refuse(
          InvalidFields({{"operations", absl::StrCat("has ", count, "; 1 to ",
                                                     limits::kBatchOperations, " are allowed")}}));
    } else {
      WriteBatch(BatchCall(*batch), call);
    }
    return call;
  }

  Reactor* Get(Context* context, const Bytes* request, Bytes* response) override {
    auto* call = new Call("Get", context, response);
    if (auto key = ParseAndDecode<v1::GetRequest>(*request, call)) {
      tracker_->Get(*std::move(key), call->Context(), [call](domain::Outcome outcome) {
        FinishWithTask<v1::GetResponse>(call, outcome);
      });
    }
    return call;
  }

  Reactor* List(Context* context, const Bytes* request, Bytes* response) override {
    auto* call = new Call("List", context, response);
    if (call->RefuseIfFull()) return call;
    if (auto list = ParseAndDecode<v1::ListRequest>(*request, call)) {
      tracker_->List(*std::move(list), call->Context(),
                     [call](absl::StatusOr<service::ListAnswer> answer) {
                       if (!answer.ok()) return call->Refuse(answer.status());
                       v1::ListResponse page;
                       absl::Status status = EncodeList(*answer, &page);
                       status.ok() ? call->Answer(page) : call->Refuse(status);
                     });
    }
    return call;
  }

  Reactor* Count(Context* context, const Bytes* request, Bytes* response) override {
    auto* call = new Call("Count", context, response);
    if (auto count = ParseAndDecode<v1::CountRequest>(*request, call)) {
      tracker_->Count(*std::move(count), call->Context(),
                      [call](absl::StatusOr<service::CountAnswer> answer) {
                        if (!answer.ok()) return call->Refuse(answer.status());
                        v1::CountResponse counts;
                        EncodeCount(*answer, &counts);
                        call->Answer(counts);
                      });
    }
    return call;
  }

  Reactor* Claim(Context* context, const Bytes* request, Bytes* response) override {
    return ServeClaim(*tracker_, {context, request, response});
  }
  Reactor* SetPolicy(Context* context, const Bytes* request, Bytes* response) override {
    return ServeSetPolicy(*tracker_, {context, request, response});
  }
  Reactor* GetPolicy(Context* context, const Bytes* request, Bytes* response) override {
    return ServeGetPolicy(*tracker_, {context, request, response});
  }
  Reactor* ListPolicies(Context* context, const Bytes* request, Bytes* response) override {
    return ServeListPolicies(*tracker_, {context, request, response});
  }
  Reactor* DeletePolicy(Context* context, const Bytes* request, Bytes* response) override {
    return ServeDeletePolicy(*tracker_, {context, request, response});
  }
  StreamReactor* BulkUpdate(Context* context, const Bytes* request) override {
    return ServeBulkUpdate(*tracker_, context, *request);
  }
  Reactor* GroupErrors(Context* context, const Bytes* request, Bytes* response) override {
    return ServeGroupErrors(*tracker_, {context, request, response});
  }

 private:
  // A unary write is a batch of one.
  template <typename Request, typename Response>
  Reactor* Write(absl::string_view method, Context* context, const Bytes* request,
                 Bytes* response) {
    auto* call = new Call(method, context, response, /*writes=*/true);
    if (auto command = ParseAndDecode<Request>(*request, call)) {
      std::vector<domain::Command> commands;
      commands.push_back(*std::move(command));
      tracker_->Write(std::move(commands), call->Context(),
                      [call](std::vector<domain::Outcome> outcomes) {
                        FinishWithTask<Response>(call, outcomes.front());
                      });
    }
    return call;
  }

  void WriteBatch(BatchCall batch, Call* call) {
    std::vector<domain::Command> commands = batch.TakeCommands();
    if (commands.empty()) return call->Answer(batch.Answer({}));
    tracker_->Write(std::move(commands), call->Context(),
                    [batch = std::move(batch), call](std::vector<domain::Outcome> outcomes) {
                      call->Answer(batch.Answer(outcomes));
                    });
  }

  service::Tracker* const tracker_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeTrackerService(service::Tracker* tracker) {
  return std::make_unique<Handlers>(tracker);
}

}  // namespace tracker::server
