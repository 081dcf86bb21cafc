#include "tracker/client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/src/check_text.h"
#include "client/src/convert.h"
#include "client/src/core.h"
#include "client/src/grpc_transport.h"
#include "client/src/guard_state.h"
#include "client/src/random.h"
#include "client/src/refusing_transport.h"
#include "client/src/status_details.h"
#include "client/src/text.h"
#include "client/src/work.h"

namespace tracker {
namespace {

using internal::CheckText;
using internal::ClientCore;
using internal::FromProto;
using internal::ToProto;
namespace v1 = internal::v1;

absl::Status CheckName(const std::string& name_space, const std::string& id) {
  if (absl::Status status = CheckText("namespace", name_space); !status.ok()) return status;
  return CheckText("id", id);
}

template <typename Request>
void Name(const std::string& name_space, const std::string& id, Request* request) {
  request->set_namespace_(name_space);
  request->set_id(id);
}

absl::StatusOr<Task> Write(ClientCore& core, const v1::Operation& operation) {
  auto written = core.Write(operation);
  if (!written.ok()) return written.status();
  return FromProto(written->task);
}

absl::StatusOr<v1::Operation> CreateOperation(const NewTask& task) {
  v1::Operation operation;
  v1::CreateRequest* create = operation.mutable_create();
  if (absl::Status status = CheckName(task.name_space, task.id); !status.ok()) return status;
  Name(task.name_space, task.id, create);
  if (!task.data.empty()) {
    absl::Status status = internal::JsonToStruct(task.data, create->mutable_data());
    if (!status.ok()) return status;
  }
  create->set_priority(task.priority);
  if (task.available_time) ToProto(*task.available_time, create->mutable_available_time());
  create->set_max_attempts(task.max_attempts);
  create->set_allow_existing(task.allow_existing);
  return operation;
}

template <typename Request>
absl::Status AddAfter(const std::vector<std::string>& after, Request* request) {
  for (const std::string& name_space : after) {
    if (absl::Status status = CheckText("after", name_space); !status.ok()) return status;
    request->add_after(name_space);
  }
  return absl::OkStatus();
}

std::string WorkerName(const std::string& wished, const ClientOptions& defaults) {
  if (!wished.empty()) return wished;
  return defaults.worker.empty() ? internal::DefaultWorker() : defaults.worker;
}

absl::StatusOr<v1::Operation> StartOperation(const std::string& name_space, const std::string& id,
                                             const StartOptions& options,
                                             const ClientOptions& defaults) {
  v1::Operation operation;
  v1::StartRequest* start = operation.mutable_start();
  if (absl::Status status = CheckName(name_space, id); !status.ok()) return status;
  Name(name_space, id, start);
  start->set_worker(WorkerName(options.worker, defaults));
  if (absl::Status status = CheckText("worker", start->worker()); !status.ok()) return status;
  if (const auto lease = options.lease ? options.lease : defaults.lease)
    ToProto(*lease, start->mutable_lease());
  // A lock of the client's own is what makes a repeated Start safe.
  start->set_lock(internal::NewLock());
  start->set_ignore_lock(options.ignore_lock);
  start->set_force(options.force);
  start->set_create_if_missing(options.create_if_missing);
  if (absl::Status status = AddAfter(options.after, start); !status.ok()) return status;
  return operation;
}

// The caller has stopped waiting, while the server may have started the task.
bool IsGivenUp(const absl::Status& status) {
  return absl::IsDeadlineExceeded(status) || absl::IsCancelled(status) ||
         absl::IsUnavailable(status);
}

// So that a task which was started for nobody need not wait for the end of its lease. Once, and
// without an answer: where it does not get through, the lease ends.
void GiveBack(ClientCore& core, const v1::StartRequest& start) {
  v1::BatchRequest request;
  v1::ReleaseRequest* release = request.add_operations()->mutable_release();
  Name(start.namespace_(), start.id(), release);
  release->set_lock(start.lock());
  core.Send(std::move(request));
}

}  // namespace

std::shared_ptr<Client> Client::Connect(const std::string& addresses, ClientOptions options) {
  auto transport = internal::NewGrpcTransport(addresses, options);
  if (!transport.ok()) transport = internal::NewRefusingTransport(transport.status());
  return std::make_shared<Client>(
      std::make_shared<ClientCore>(*std::move(transport), std::move(options)));
}

Client::Client(std::shared_ptr<ClientCore> core) : core_(std::move(core)) {}
Client::~Client() = default;

absl::StatusOr<TaskGuard> Client::Start(const std::string& name_space, const std::string& id,
                                        const StartOptions& options) {
  const auto operation = StartOperation(name_space, id, options, core_->options());
  if (!operation.ok()) return operation.status();
  auto written = core_->Write(*operation, options.cancel);
  if (!written.ok()) {
    if (IsGivenUp(written.status())) GiveBack(*core_, operation->start());
    return written.status();
  }
  return MakeGuard(written->task, operation->start().lock(), written->sent, options.time_limit);
}

absl::StatusOr<std::vector<TaskGuard>> Client::Claim(const std::string& name_space,
                                                     const ClaimOptions& options) {
  if (absl::Status status = CheckText("namespace", name_space); !status.ok()) return status;
  v1::ClaimRequest request;
  request.set_namespace_(name_space);
  request.set_limit(options.limit);
  request.set_worker(WorkerName(options.worker, core_->options()));
  if (absl::Status status = CheckText("worker", request.worker()); !status.ok()) return status;
  if (const auto lease = options.lease ? options.lease : core_->options().lease)
    ToProto(*lease, request.mutable_lease());
  if (options.wait != absl::ZeroDuration()) ToProto(options.wait, request.mutable_wait());
  request.set_lock(internal::NewLock());
  if (absl::Status status = AddAfter(options.after, &request); !status.ok()) return status;
  const auto claimed = core_->Claim(request, options.wait, options.cancel);
  if (!claimed.ok()) return claimed.status();
  std::vector<TaskGuard> guards;
  for (const v1::Task& task : claimed->response.tasks()) {
    auto guard = MakeGuard(task, request.lock(), claimed->sent, options.time_limit);
    if (guard.ok()) guards.push_back(*std::move(guard));
  }
  return guards;
}

absl::StatusOr<TaskGuard> Client::MakeGuard(const v1::Task& task, const std::string& lock,
                                            absl::Time sent,
                                            std::optional<absl::Duration> time_limit) {
  auto held = core_->keeper().Hold(task.namespace_(), task.id(), lock, sent,
                                   FromProto(task.lease_remaining()),
                                   time_limit.value_or(core_->options().time_limit));
  TaskGuard guard(std::make_unique<internal::GuardState>(core_, std::move(held), FromProto(task)));
  if (task.truncated()) {
    // Nobody should work on a task whose data is not known.
    std::move(guard).Release().IgnoreError();
    return absl::UnavailableError("the task was started, but its data could not be fetched");
  }
  return guard;
}

absl::Status Client::RunWork(const std::string& name_space, const std::string& id,
                             const StartOptions& options,
                             absl::FunctionRef<internal::WorkResult(TaskGuard&)> work) {
  auto guard = Start(name_space, id, options);
  if (!guard.ok()) return guard.status();
  return internal::WorkAndReport(*guard, work);
}

absl::StatusOr<Task> Client::Create(const NewTask& task) {
  const auto operation = CreateOperation(task);
  if (!operation.ok()) return operation.status();
  return Write(*core_, *operation);
}

std::vector<absl::StatusOr<Task>> Client::CreateAll(absl::Span<const NewTask> tasks) {
  std::vector<absl::StatusOr<Task>> results(tasks.size(), absl::UnknownError(""));
  std::vector<v1::Operation> operations;
  std::vector<size_t> indices;
  for (size_t i = 0; i < tasks.size(); ++i) {
    if (auto operation = CreateOperation(tasks[i]); operation.ok()) {
      operations.push_back(*std::move(operation));
      indices.push_back(i);
    } else {
      results[i] = operation.status();
    }
  }
  const auto written = core_->WriteAll(std::move(operations), core_->options().deadline);
  for (size_t i = 0; i < written.size(); ++i) {
    if (written[i].ok()) {
      results[indices[i]] = FromProto(*written[i]);
    } else {
      results[indices[i]] = written[i].status();
    }
  }
  return results;
}

absl::StatusOr<Task> Client::Get(const std::string& name_space, const std::string& id) {
  if (absl::Status status = CheckName(name_space, id); !status.ok()) return status;
  const auto task = core_->Get(name_space, id);
  if (!task.ok()) return task.status();
  return FromProto(*task);
}

absl::StatusOr<Page> Client::List(const ListOptions& options) {
  if (absl::Status status = CheckName(options.name_space, options.id_prefix); !status.ok())
    return status;
  if (absl::Status status = CheckText("worker", options.worker); !status.ok()) return status;
  if (absl::Status status = CheckText("page_token", options.page_token); !status.ok())
    return status;
  if (absl::Status status = CheckText("error_text", options.error_text); !status.ok())
    return status;
  if (absl::Status status = CheckText("error_fingerprint", options.error_fingerprint); !status.ok())
    return status;
  auto response = core_->List(ToProto(options));
  if (!response.ok()) return response.status();
  Page page;
  for (const v1::Task& task : response->tasks()) page.tasks.push_back(FromProto(task));
  page.next_page_token = std::move(*response->mutable_next_page_token());
  return page;
}

absl::Status Client::ListEach(ListOptions options, const std::function<bool(const Task&)>& fn) {
  do {
    auto page = List(options);
    if (!page.ok()) return page.status();
    for (const Task& task : page->tasks) {
      if (!fn(task)) return absl::OkStatus();
    }
    options.page_token = std::move(page->next_page_token);
  } while (!options.page_token.empty());
  return absl::OkStatus();
}

absl::StatusOr<std::vector<StatusCount>> Client::Count(const std::string& name_space) {
  if (absl::Status status = CheckText("namespace", name_space); !status.ok()) return status;
  v1::CountRequest request;
  request.set_namespace_(name_space);
  std::vector<StatusCount> counts;
  do {
    auto response = core_->Count(request);
    if (!response.ok()) return response.status();
    for (const v1::StatusCount& count : response->counts()) {
      counts.push_back(
          {count.namespace_(), internal::StatusFromProto(count.status()), count.count()});
    }
    request.set_page_token(std::move(*response->mutable_next_page_token()));
  } while (!request.page_token().empty());
  return counts;
}

absl::StatusOr<Task> Client::Ignore(const std::string& name_space, const std::string& id) {
  if (absl::Status status = CheckName(name_space, id); !status.ok()) return status;
  v1::Operation operation;
  Name(name_space, id, operation.mutable_ignore());
  return Write(*core_, operation);
}

absl::StatusOr<Task> Client::Reset(const std::string& name_space, const std::string& id,
                                   bool force) {
  if (absl::Status status = CheckName(name_space, id); !status.ok()) return status;
  v1::Operation operation;
  Name(name_space, id, operation.mutable_reset());
  operation.mutable_reset()->set_force(force);
  return Write(*core_, operation);
}

absl::StatusOr<Task> Client::Delete(const std::string& name_space, const std::string& id,
                                    bool force) {
  if (absl::Status status = CheckName(name_space, id); !status.ok()) return status;
  v1::Operation operation;
  Name(name_space, id, operation.mutable_delete_());
  operation.mutable_delete_()->set_force(force);
  return Write(*core_, operation);
}

absl::StatusOr<Task> Client::Heartbeat(const std::string& name_space, const std::string& id,
                                       const std::string& lock, std::optional<absl::Duration> lease,
                                       std::optional<std::string> data) {
  if (absl::Status status = CheckName(name_space, id); !status.ok()) return status;
  if (absl::Status status = CheckText("lock", lock); !status.ok()) return status;
  v1::Operation operation;
  v1::HeartbeatRequest* heartbeat = operation.mutable_heartbeat();
  Name(name_space, id, heartbeat);
  heartbeat->set_lock(lock);
  if (lease) ToProto(*lease, heartbeat->mutable_lease());
  if (data) {
    absl::Status status = internal::JsonToStruct(*data, heartbeat->mutable_data());
    if (!status.ok()) return status;
  }
  return Write(*core_, operation);
}

absl::StatusOr<Task> Client::Succeed(const std::string& name_space, const std::string& id,
                                     const std::string& lock, std::optional<std::string> data) {
  if (absl::Status status = CheckName(name_space, id); !status.ok()) return status;
  if (absl::Status status = CheckText("lock", lock); !status.ok()) return status;
  v1::Operation operation;
  v1::SucceedRequest* succeed = operation.mutable_succeed();
  Name(name_space, id, succeed);
  succeed->set_lock(lock);
  if (data) {
    absl::Status status = internal::JsonToStruct(*data, succeed->mutable_data());
    if (!status.ok()) return status;
  }
  return Write(*core_, operation);
}

absl::StatusOr<Task> Client::Fail(const std::string& name_space, const std::string& id,
                                  const std::string& lock, const std::string& message,
                                  const FailOptions& options) {
  if (absl::Status status = CheckName(name_space, id); !status.ok()) return status;
  if (absl::Status status = CheckText("lock", lock); !status.ok()) return status;
  v1::Operation operation;
  v1::FailRequest* fail = operation.mutable_fail();
  Name(name_space, id, fail);
  fail->set_lock(lock);
  if (absl::Status status = internal::FillFail(message, options, fail); !status.ok()) return status;
  return Write(*core_, operation);
}

absl::StatusOr<Task> Client::Release(const std::string& name_space, const std::string& id,
                                     const std::string& lock, absl::Duration delay) {
  if (absl::Status status = CheckName(name_space, id); !status.ok()) return status;
  if (absl::Status status = CheckText("lock", lock); !status.ok()) return status;
  v1::Operation operation;
  v1::ReleaseRequest* release = operation.mutable_release();
  Name(name_space, id, release);
  release->set_lock(lock);
  if (delay != absl::ZeroDuration()) ToProto(delay, release->mutable_delay());
  return Write(*core_, operation);
}

}  // namespace tracker
