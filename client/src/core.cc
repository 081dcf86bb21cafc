#include "client/src/core.h"

#include <algorithm>
#include <future>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/src/batch.h"
#include "client/src/coalescer.h"
#include "client/src/retry.h"
#include "client/src/status_details.h"

namespace tracker::internal {
namespace {

// How long a request that nobody waits for may take.
constexpr absl::Duration kUnattended = absl::Seconds(10);

// How long one attempt of a report may take: short enough for another within the lease.
absl::Duration ReportTimeout(absl::Duration remaining) {
  return std::clamp(remaining / 4, absl::Milliseconds(500), absl::Seconds(10));
}

}  // namespace

ClientCore::ClientCore(std::shared_ptr<Transport> transport, ClientOptions options, Clock* clock,
                       bool heartbeat_thread)
    : direct_(std::move(transport)),
      transport_(options.coalesce ? std::make_shared<Coalescer>(direct_, clock) : direct_),
      options_(std::move(options)),
      clock_(clock),
      keeper_(std::make_shared<LockKeeper>(direct_, clock, heartbeat_thread)) {}

ClientCore::~ClientCore() { keeper_->Stop(); }

absl::StatusOr<ClientCore::Written> ClientCore::Write(const v1::Operation& operation,
                                                      const std::stop_token& cancel) {
  Written written;
  auto task = Retry(*transport_, *clock_, options_.deadline, cancel, [&](absl::Duration timeout) {
    written.sent = clock_->Now();
    return transport_->Write(operation, {timeout, cancel});
  });
  if (!task.ok()) return task.status();
  written.task = *std::move(task);
  Complete(&written.task);
  return written;
}

void ClientCore::Send(v1::BatchRequest request) {
  // The transport stays until the answer.
  direct_->Batch(std::move(request), {kUnattended, {}},
                 [transport = direct_](const absl::StatusOr<v1::BatchResponse>&) {});
}

absl::StatusOr<ClientCore::Claimed> ClientCore::Claim(const v1::ClaimRequest& request,
                                                      absl::Duration wait,
                                                      const std::stop_token& cancel) {
  Claimed claimed;
  auto response =
      Retry(*direct_, *clock_, options_.deadline + wait, cancel, [&](absl::Duration timeout) {
        claimed.sent = clock_->Now();
        return direct_->Claim(request, {timeout, cancel});
      });
  if (!response.ok()) return response.status();
  claimed.response = *std::move(response);
  for (v1::Task& task : *claimed.response.mutable_tasks()) Complete(&task);
  return claimed;
}

absl::Status ClientCore::Report(const v1::Operation& operation, const HeldLock& held,
                                absl::Duration limit) {
  const MonotonicTime lease_end = keeper_->ValidUntil(held);
  const MonotonicTime until = std::min(lease_end, clock_->Now() + limit);
  Pauses pauses;
  for (;;) {
    const absl::Duration timeout = ReportTimeout(until - clock_->Now());
    const absl::Status status = transport_->Write(operation, {timeout, {}}).status();
    if (status.ok()) return status;
    if (IsUnanswered(status)) {
      if (pauses.Wait(*transport_, *clock_, until, status)) continue;
      absl::Status given_up(status.code(),
                            absl::StrCat("the report got no answer until ",
                                         until == lease_end ? "the lease was over" : "the deadline",
                                         ": ", status.message()));
      status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
        given_up.SetPayload(url, payload);
      });
      return AsReportError(given_up);
    }
    return AsReportError(status);
  }
}

absl::StatusOr<v1::BatchResponse> ClientCore::Batch(v1::BatchRequest request,
                                                    absl::Duration timeout) {
  // Shared: it is still being set when the answer is taken.
  auto promise = std::make_shared<std::promise<absl::StatusOr<v1::BatchResponse>>>();
  auto answer = promise->get_future();
  direct_->Batch(std::move(request), {timeout, {}},
                 [promise](absl::StatusOr<v1::BatchResponse> response) {
                   promise->set_value(std::move(response));
                 });
  return answer.get();
}

void ClientCore::ReleaseAll(const std::vector<std::shared_ptr<HeldLock>>& held,
                            const absl::Status& why, absl::Duration limit) {
  std::vector<v1::Operation> operations;
  operations.reserve(held.size());
  for (const auto& one : held) {
    keeper_->Lost(*one, why);
    Name(*one, operations.emplace_back().mutable_release());
  }
  WriteAll(std::move(operations), limit);
}

std::vector<absl::StatusOr<v1::Task>> ClientCore::WriteAll(std::vector<v1::Operation> operations,
                                                           absl::Duration limit) {
  std::vector<absl::StatusOr<v1::Task>> results(operations.size(),
                                                absl::UnavailableError("the server was not asked"));
  std::vector<size_t> open(operations.size());
  for (size_t i = 0; i < open.size(); ++i) open[i] = i;

  const MonotonicTime until = clock_->Now() + limit;
  Pauses pauses;
  while (!open.empty()) {
    std::vector<size_t> again;
    absl::Status unavailable;
    for (size_t at = 0; at < open.size();) {
      const size_t begin = at;
      v1::BatchRequest request;
      BatchRoom room;
      while (at < open.size() && room.Take(BatchBytes(operations[open[at]])))
        *request.add_operations() = operations[open[at++]];
      auto answer =
          Batch(std::move(request), std::max(until - clock_->Now(), absl::Milliseconds(1)));
      for (size_t i = begin; i < at; ++i) {
        absl::StatusOr<v1::Task>& result = results[open[i]];
        result = TakeResult(answer, i - begin);
        if (result.ok()) {
          Complete(&*result);
        } else if (absl::IsUnavailable(result.status())) {
          unavailable = result.status();
          again.push_back(open[i]);
        }
      }
    }
    open = std::move(again);
    if (!open.empty() && !pauses.Wait(*transport_, *clock_, until, unavailable)) break;
  }
  return results;
}

absl::StatusOr<v1::Task> ClientCore::Get(const std::string& name_space, const std::string& id) {
  v1::GetRequest request;
  request.set_namespace_(name_space);
  request.set_id(id);
  return Retry(*transport_, *clock_, options_.deadline, {}, [&](absl::Duration timeout) {
    return transport_->Get(request, {timeout, {}});
  });
}

absl::StatusOr<v1::ListResponse> ClientCore::List(const v1::ListRequest& request) {
  auto response = Retry(*transport_, *clock_, options_.deadline, {}, [&](absl::Duration timeout) {
    return transport_->List(request, {timeout, {}});
  });
  if (response.ok()) {
    for (v1::Task& task : *response->mutable_tasks()) Complete(&task);
  }
  return response;
}

absl::StatusOr<v1::CountResponse> ClientCore::Count(const v1::CountRequest& request) {
  return Retry(*transport_, *clock_, options_.deadline, {}, [&](absl::Duration timeout) {
    return transport_->Count(request, {timeout, {}});
  });
}

bool ClientCore::Complete(v1::Task* task) {
  if (!task->truncated()) return true;
  auto whole = Get(task->namespace_(), task->id());
  // Of a task that has moved on, the data may already be another attempt's.
  if (!whole.ok() || whole->fence() != task->fence()) return false;
  *task->mutable_data() = whole->data();
  *task->mutable_errors() = whole->errors();
  task->set_truncated(false);
  return true;
}

}  // namespace tracker::internal
