#include "server/claim_handler.h"

#include <utility>
#include <vector>

#include "server/encode.h"

namespace tracker::server {
namespace {

void AnswerClaim(service::Tracker& tracker, Call* call, service::ClaimResult result) {
  if (!result.refusal.ok()) return call->Refuse(result.refusal);
  // What GiveBack needs is the task's name and its lock.
  std::vector<domain::Task> claimed;
  claimed.reserve(result.tasks.size());
  for (const domain::Task& task : result.tasks)
    claimed.push_back({.key = task.key, .fence = task.fence, .lock = task.lock});
  v1::ClaimResponse response;
  auto left_over = EncodeClaim(std::move(result), &response);
  if (!left_over.ok()) {
    tracker.GiveBack(std::move(claimed));
    return call->Refuse(left_over.status());
  }
  claimed.resize(response.tasks_size());
  if (!left_over->empty()) tracker.GiveBack(*std::move(left_over));
  call->Answer(response, [&tracker, claimed = std::move(claimed)]() mutable {
    if (!claimed.empty()) tracker.GiveBack(std::move(claimed));
  });
}

}  // namespace

grpc::ServerUnaryReactor* ServeClaim(service::Tracker& tracker, UnaryRpc rpc) {
  auto* call = new Call("Claim", rpc.context, rpc.response);
  if (auto claim = ParseAndDecode<v1::ClaimRequest>(*rpc.request, call)) {
    tracker.Claim(*std::move(claim), call->Context(),
                  [&tracker, call](service::ClaimResult result) {
                    AnswerClaim(tracker, call, std::move(result));
                  });
  }
  return call;
}

}  // namespace tracker::server
