#include "server/claim_handler.h"

#include <utility>
#include <vector>

#include "server/encode.h"

namespace tracker::server {
namespace {

void AnswerClaim(service::Tracker& tracker, Call* call, service::ClaimResult result) {
  if (!result.refusal.ok()) return call->Refuse(result.refusal);
  const bool recalled = result.recalled;
  const auto give_back = [&tracker, recalled](std::vector<domain::Task> tasks) {
    if (!recalled && !tasks.empty()) tracker.GiveBack(std::move(tasks));
  };
  // What GiveBack needs of a task.
  std::vector<domain::Task> claimed;
  claimed.reserve(result.tasks.size());
  for (const domain::Task& task : result.tasks) {
    claimed.push_back(
        {.key = task.key, .fence = task.fence, .update_time = task.update_time, .lock = task.lock});
  }
  v1::ClaimResponse response;
  auto left_over = EncodeClaim(std::move(result), &response);
  if (!left_over.ok()) {
    give_back(std::move(claimed));
    return call->Refuse(left_over.status());
  }
  claimed.resize(response.tasks_size());
  give_back(*std::move(left_over));
  call->Answer(response, [give_back, claimed = std::move(claimed)]() mutable {
    give_back(std::move(claimed));
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
