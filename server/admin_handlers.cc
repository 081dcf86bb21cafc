#include "server/admin_handlers.h"

#include <utility>

#include "server/encode.h"
#include "server/job_handlers.h"
#include "server/stream_call.h"
#include "server/unary.h"
#include "tracker/v1/tracker.grpc.pb.h"

namespace tracker::server {
namespace {

using Context = grpc::CallbackServerContext;
using Bytes = grpc::ByteBuffer;
using StreamReactor = grpc::ServerWriteReactor<Bytes>;

// Every method raw (see wire.h). The generated classes wrap each other.
using RawJobs =
    v1::AdminService::WithRawCallbackMethod_Expire<v1::AdminService::WithRawCallbackMethod_Purge<
        v1::AdminService::WithRawCallbackMethod_CheckCounts<v1::AdminService::Service>>>;
using RawAdmin = v1::AdminService::WithRawCallbackMethod_Check<
    v1::AdminService::WithRawCallbackMethod_Repair<RawJobs>>;

class AdminHandlers final : public RawAdmin {
 public:
  explicit AdminHandlers(service::Tracker* tracker) : tracker_(tracker) {}

  StreamReactor* Expire(Context* context, const Bytes* bytes) override {
    auto* call = new StreamCall("Expire", context, v1::ExpireResponse());
    if (const auto request = ParseOrRefuse<v1::ExpireRequest>(*bytes, call)) {
      tracker_->ExpireAll(request->dry_run(), call->Context(),
                          StreamProgress<v1::ExpireResponse>(call),
                          StreamEnd<v1::ExpireResponse>(call));
    }
    return call;
  }

  StreamReactor* Purge(Context* context, const Bytes* bytes) override {
    auto* call = new StreamCall("Purge", context, v1::PurgeResponse());
    if (auto purge = ParseAndDecode<v1::PurgeRequest>(*bytes, call)) {
      tracker_->PurgeAll(std::move(purge->name_space), purge->dry_run, call->Context(),
                         StreamProgress<v1::PurgeResponse>(call),
                         StreamEnd<v1::PurgeResponse>(call));
    }
    return call;
  }

  StreamReactor* Check(Context* context, const Bytes* bytes) override {
    auto* call = new StreamCall("Check", context, v1::CheckResponse());
    if (ParseOrRefuse<v1::CheckRequest>(*bytes, call)) Compare<v1::CheckResponse>(false, call);
    return call;
  }

  StreamReactor* Repair(Context* context, const Bytes* bytes) override {
    auto* call = new StreamCall("Repair", context, v1::RepairResponse());
    if (ParseOrRefuse<v1::RepairRequest>(*bytes, call)) Compare<v1::RepairResponse>(true, call);
    return call;
  }

  grpc::ServerUnaryReactor* CheckCounts(Context* context, const Bytes* bytes,
                                        Bytes* response) override {
    auto* call = new Call("CheckCounts", context, response);
    if (!ParseOrRefuse<v1::CheckCountsRequest>(*bytes, call)) return call;
    tracker_->CheckCounts(call->Context(), [call](absl::StatusOr<store::CountCheck> check) {
      if (!check.ok()) return call->Refuse(check.status());
      v1::CheckCountsResponse answer;
      EncodeCheck(*check, &answer);
      call->Answer(answer);
    });
    return call;
  }

 private:
  template <typename Response>
  void Compare(bool repair, StreamCall* call) {
    tracker_->Check(
        repair, call->Context(),
        [call](const store::CheckReport& report) {
          Response response;
          EncodeReport(report, &response);
          call->Progress(response);
        },
        [call](absl::StatusOr<store::CheckReport> report) {
          if (!report.ok()) return call->Refuse(report.status());
          Response response;
          EncodeReport(*report, &response);
          response.set_done(true);
          call->Finish(response);
        });
  }

  service::Tracker* const tracker_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeAdminService(service::Tracker* tracker) {
  return std::make_unique<AdminHandlers>(tracker);
}

}  // namespace tracker::server
