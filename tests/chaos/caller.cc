#include "tests/chaos/caller.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/chaos/acts.h"
#include "tests/chaos/namespaces.h"

namespace tracker::chaos {
namespace {

// Locks of each kind that a caller remembers.
constexpr size_t kRemembered = 8;
// How often a call is repeated that says nothing.
constexpr int kRepeats = 4;
constexpr double kRepeatShare = 0.7;
// What a caller usually waits for, and the most of those who give up early.
constexpr absl::Duration kTimeout = absl::Seconds(3);
constexpr absl::Duration kImpatience = absl::Milliseconds(120);

google::rpc::Status ErrorOf(const grpc::Status& status) {
  google::rpc::Status error;
  error.ParseFromString(status.error_details());
  error.set_code(status.error_code());
  error.set_message(status.error_message());
  return error;
}

}  // namespace

Caller::Caller(const CallerOptions& options, HistoryWriter& writer, std::atomic<uint64_t>& numbers)
    : options_(options), writer_(writer), numbers_(numbers), random_(options.seed) {
  for (const std::string& address : options.servers)
    servers_.push_back(std::make_unique<e2e::Api>(address));
}

std::string Caller::NewLock() { return absl::StrFormat("%016x%016x", random_(), random_()); }

std::string Caller::AnyNamespace() {
  static const Policies* policies = new Policies(ChaosPolicies());
  return std::next(policies->begin(), Below(static_cast<int>(policies->size())))->first;
}

std::string Caller::AnyId() { return absl::StrCat("t", Below(kTasksOfANamespace)); }

void Caller::SetData(google::protobuf::Struct* data) {
  (*data->mutable_fields())["by"].set_string_value(
      absl::StrCat(options_.process, ".", numbers_.load(), ".", Below(1000)));
}

Caller::Held Caller::AnyLock() {
  const double choice = Random();
  if (!held_.empty() && choice < 0.85) return held_[Below(static_cast<int>(held_.size()))];
  if (!spent_.empty() && choice < 0.97) return spent_[Below(static_cast<int>(spent_.size()))];
  return {AnyNamespace(), AnyId(), NewLock()};
}

void Caller::Remember(const v1::Task& task) {
  held_.push_back({task.namespace_(), task.id(), task.lock()});
  if (held_.size() <= kRemembered) return;
  spent_.push_back(held_.front());
  held_.pop_front();
}

void Caller::Forget(const std::string& lock) {
  const auto found =
      std::find_if(held_.begin(), held_.end(), [&](const Held& held) { return held.lock == lock; });
  if (found == held_.end()) return;
  spent_.push_back(*found);
  held_.erase(found);
  if (spent_.size() > kRemembered) spent_.pop_front();
}

v1::StartRequest Caller::AnyStart() {
  v1::StartRequest start;
  start.set_namespace_(AnyNamespace());
  start.set_id(AnyId());
  start.set_lock(NewLock());
  // A late copy of an old start, at times.
  if (!spent_.empty() && Random() < 0.05) {
    const Held& old = spent_[Below(static_cast<int>(spent_.size()))];
    start.set_namespace_(old.name_space);
    start.set_id(old.id);
    start.set_lock(old.lock);
  }
  start.set_worker(absl::StrCat(options_.process, ".", numbers_.load(), ".", Below(1'000'000)));
  if (Random() < 0.7)
    e2e::SetDuration(absl::Milliseconds(200 + Below(1800)), start.mutable_lease());
  start.set_create_if_missing(Random() < 0.6);
  start.set_ignore_lock(Random() < 0.06);
  start.set_force(Random() < 0.06);
  return start;
}

v1::Operation Caller::AnyFinish() {
  v1::Operation operation;
  const Held held = AnyLock();
  const auto name = [&](auto* request) {
    request->set_namespace_(held.name_space);
    request->set_id(held.id);
    request->set_lock(held.lock);
    return request;
  };
  const double choice = Random();
  if (choice < 0.35) {
    v1::HeartbeatRequest* heartbeat = name(operation.mutable_heartbeat());
    if (Random() < 0.3) SetData(heartbeat->mutable_data());
    if (Random() < 0.3)
      e2e::SetDuration(absl::Milliseconds(200 + Below(1800)), heartbeat->mutable_lease());
  } else if (choice < 0.65) {
    v1::SucceedRequest* succeed = name(operation.mutable_succeed());
    if (Random() < 0.7) SetData(succeed->mutable_data());
  } else if (choice < 0.88) {
    v1::FailRequest* fail = name(operation.mutable_fail());
    fail->set_message(absl::StrCat("failed in ", numbers_.load()));
    fail->set_no_retry(Random() < 0.05);
    if (Random() < 0.2)
      e2e::SetDuration(absl::Milliseconds(Below(800)), fail->mutable_retry_delay());
    if (Random() < 0.2) {
      SetData(fail->mutable_data());
      fail->set_keep_data(Random() < 0.5);
    }
  } else {
    v1::ReleaseRequest* release = name(operation.mutable_release());
    if (Random() < 0.3) e2e::SetDuration(absl::Milliseconds(Below(800)), release->mutable_delay());
  }
  return operation;
}

v1::Operation Caller::AnyOfOperator() {
  v1::Operation operation;
  const std::string name_space = AnyNamespace(), id = AnyId();
  const auto name = [&](auto* request) {
    request->set_namespace_(name_space);
    request->set_id(id);
    return request;
  };
  const double choice = Random();
  if (choice < 0.4) {
    name(operation.mutable_reset())->set_force(Random() < 0.3);
  } else if (choice < 0.7) {
    name(operation.mutable_delete_())->set_force(Random() < 0.3);
  } else {
    name(operation.mutable_ignore());
  }
  return operation;
}

v1::Operation Caller::AnyWrite() {
  const double choice = Random();
  if (choice < 0.5) return AnyFinish();
  if (choice < 0.6) return AnyOfOperator();
  v1::Operation operation;
  if (choice < 0.85) {
    *operation.mutable_start() = AnyStart();
    return operation;
  }
  v1::CreateRequest* create = operation.mutable_create();
  create->set_namespace_(AnyNamespace());
  create->set_id(AnyId());
  SetData(create->mutable_data());
  create->set_priority(Below(3));
  create->set_max_attempts(Random() < 0.2 ? 1 + Below(4) : 0);
  create->set_allow_existing(Random() < 0.5);
  return operation;
}

Call Caller::AnyCall() {
  Call call;
  const double choice = Random();
  if (choice < 0.16) {
    v1::ClaimRequest* claim = call.mutable_claim();
    claim->set_namespace_(AnyNamespace());
    claim->set_limit(1 + Below(3));
    claim->set_worker(absl::StrCat(options_.process, ".", numbers_.load(), ".", Below(1'000'000)));
    claim->set_lock(NewLock());
    e2e::SetDuration(absl::Milliseconds(200 + Below(1800)), claim->mutable_lease());
    if (Random() < 0.3) e2e::SetDuration(UpTo(absl::Seconds(1)), claim->mutable_wait());
  } else if (choice < 0.22) {
    call.mutable_get()->set_namespace_(AnyNamespace());
    call.mutable_get()->set_id(AnyId());
  } else if (choice < 0.23) {
    call.mutable_list()->set_namespace_(AnyNamespace());
  } else if (choice < 0.33) {
    for (int i = 2 + Below(5); i > 0; --i) *call.mutable_batch()->add_operations() = AnyWrite();
  } else {
    *call.mutable_write() = AnyWrite();
  }
  return call;
}

absl::Duration Caller::AnyTimeout(const Call& call) {
  // Claims above all: what a server does for a caller that has gone is a matter of their own.
  if (Random() < (call.has_claim() ? 0.3 : 0.12)) return absl::Milliseconds(2) + UpTo(kImpatience);
  return call.has_claim() ? e2e::ToDuration(call.claim().wait()) + kTimeout : kTimeout;
}

void Caller::Step() {
  Call call = AnyCall();
  for (int tries = 0; !Ask(call) && tries < kRepeats && Random() < kRepeatShare; ++tries) {
    // At once, or a moment later.
    absl::SleepFor(UpTo(Random() < 0.5 ? absl::Milliseconds(10) : absl::Milliseconds(200)));
    call.set_repeats(call.number());
  }
  absl::SleepFor(UpTo(2 * options_.pause));
}

bool Caller::Ask(Call& call) {
  call.set_process(options_.process);
  call.set_number(++numbers_);
  call.set_server(static_cast<uint32_t>(Below(static_cast<int>(servers_.size()))));
  e2e::Api& api = *servers_[call.server()];
  api.SetTimeout(AnyTimeout(call));
  call.set_begin_us(MonotonicMicros());
  Record asked;
  *asked.mutable_call() = call;
  writer_.Write(asked);
  Record told;
  *told.mutable_answer() = Send(api, call);
  told.mutable_answer()->set_end_us(MonotonicMicros());
  told.mutable_answer()->set_process(options_.process);
  told.mutable_answer()->set_number(call.number());
  writer_.Write(told);
  Learn(call, told.answer());
  const google::rpc::Status& error = told.answer().error();
  return Definite(error.code(), e2e::RefusalOf(error).reason);
}

Answer Caller::Send(e2e::Api& api, const Call& call) {
  Answer answer;
  const auto unary = [&](const auto& request) {
    auto reply = api.Call(request);
    *answer.mutable_error() = ErrorOf(reply.status);
    if (reply.ok()) *answer.mutable_task() = std::move(*reply.body.mutable_task());
  };
  const auto whole = [&](const auto& request, const auto& out) {
    auto reply = api.Call(request);
    *answer.mutable_error() = ErrorOf(reply.status);
    if (reply.ok()) *out() = std::move(reply.body);
  };
  if (call.has_claim()) whole(call.claim(), [&] { return answer.mutable_claim(); });
  if (call.has_list()) whole(call.list(), [&] { return answer.mutable_list(); });
  if (call.has_batch()) whole(call.batch(), [&] { return answer.mutable_batch(); });
  if (call.has_get()) unary(call.get());
  const v1::Operation& write = call.write();
  switch (write.operation_case()) {
    case v1::Operation::kCreate: unary(write.create()); break;
    case v1::Operation::kStart: unary(write.start()); break;
    case v1::Operation::kHeartbeat: unary(write.heartbeat()); break;
    case v1::Operation::kSucceed: unary(write.succeed()); break;
    case v1::Operation::kFail: unary(write.fail()); break;
    case v1::Operation::kRelease: unary(write.release()); break;
    case v1::Operation::kIgnore: unary(write.ignore()); break;
    case v1::Operation::kReset: unary(write.reset()); break;
    case v1::Operation::kDelete: unary(write.delete_()); break;
    case v1::Operation::OPERATION_NOT_SET: break;
  }
  return answer;
}

void Caller::Learn(const Call& call, const Answer& answer) {
  if (answer.error().code() != 0) return;
  for (const v1::Task& task : answer.claim().tasks()) Remember(task);
  if (call.has_write()) Learn(call.write(), &answer.task());
  for (int i = 0; i < answer.batch().results_size(); ++i) {
    const v1::OperationResult& result = answer.batch().results(i);
    Learn(call.batch().operations(i), result.has_task() ? &result.task() : nullptr);
  }
}

void Caller::Learn(const v1::Operation& operation, const v1::Task* task) {
  if (task != nullptr && operation.has_start()) Remember(*task);
  if (operation.has_succeed()) Forget(operation.succeed().lock());
  if (operation.has_fail()) Forget(operation.fail().lock());
  if (operation.has_release()) Forget(operation.release().lock());
}

}  // namespace tracker::chaos
