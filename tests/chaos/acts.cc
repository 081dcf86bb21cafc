#include "tests/chaos/acts.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/decode.h"
#include "tests/e2e/api.h"

namespace tracker::chaos {
namespace {

class Taker {
 public:
  Taker(const Policies& policies, absl::Duration offset) : policies_(policies), offset_(offset) {}

  void Take(const Exchange& exchange) {
    switch (exchange.call.request_case()) {
      case Call::kWrite: Write(exchange); break;
      case Call::kBatch: Batch(exchange); break;
      case Call::kClaim: Claim(exchange); break;
      case Call::kGet: Get(exchange); break;
      case Call::kList: List(exchange); break;
      case Call::REQUEST_NOT_SET: break;
    }
  }

  Acts Finish() { return std::move(acts_); }

 private:
  absl::Time At(int64_t monotonic_us) const {
    return absl::UnixEpoch() + absl::Microseconds(monotonic_us) + offset_;
  }

  Act ActOf(const Exchange& exchange, Asks asks) const {
    Act act{.exchange = &exchange, .asks = asks, .begin = At(exchange.call.begin_us())};
    if (exchange.answered) act.end = At(exchange.answer.end_us());
    return act;
  }

  // Only of namespaces that the checker knows the policy of.
  void Add(Act act) {
    const auto policy = policies_.find(act.key.name_space);
    if (policy == policies_.end()) return;
    act.command.policy = policy->second;
    acts_.by_task[act.key].push_back(std::move(act));
  }

  // Fills in what an error tells; whether the act is to be kept.
  bool TakeError(const google::rpc::Status& error, Act& act) {
    const e2e::Refusal refusal = e2e::RefusalOf(error);
    if (!Definite(error.code(), refusal.reason)) {
      const auto code = static_cast<grpc::StatusCode>(error.code());
      const bool open = code == grpc::StatusCode::UNAVAILABLE ||
                        code == grpc::StatusCode::DEADLINE_EXCEEDED ||
                        code == grpc::StatusCode::CANCELLED;
      if (!open) {
        acts_.surprises.push_back(
            absl::StrCat("code ", error.code(), " ", refusal.reason, ": ", error.message()));
      }
      act.end = absl::InfiniteFuture();
      return act.asks != Asks::kLook;
    }
    // Turned away before anything was done with it.
    if (refusal.reason == "OVERLOADED") return false;
    act.told = Told::kRefused;
    act.reason = refusal.reason;
    act.shown = refusal.task;
    return true;
  }

  static domain::Command CommandOf(const v1::Operation& operation) {
    std::vector<server::FieldError> errors;
    return server::DecodeOperation(operation, 0, errors);
  }

  void Write(const Exchange& exchange) {
    Act act = ActOf(exchange, Asks::kWrite);
    act.command = CommandOf(exchange.call.write());
    act.key = act.command.key;
    if (exchange.answered) {
      if (exchange.answer.error().code() != 0) {
        if (!TakeError(exchange.answer.error(), act)) return;
      } else {
        Done(exchange.answer.task(), act);
      }
    }
    Add(std::move(act));
  }

  static void Done(const v1::Task& task, Act& act) {
    act.told = Told::kDone;
    act.shown = task;
    act.whole = !task.truncated();
  }

  void Batch(const Exchange& exchange) {
    const v1::BatchRequest& request = exchange.call.batch();
    const v1::BatchResponse& response = exchange.answer.batch();
    for (int i = 0; i < request.operations_size(); ++i) {
      Act act = ActOf(exchange, Asks::kWrite);
      act.index = i;
      act.command = CommandOf(request.operations(i));
      act.key = act.command.key;
      if (exchange.answered && exchange.answer.error().code() != 0) {
        if (!TakeError(exchange.answer.error(), act)) continue;
      } else if (exchange.answered && response.results(i).has_error()) {
        if (!TakeError(response.results(i).error(), act)) continue;
      } else if (exchange.answered) {
        Done(response.results(i).task(), act);
      }
      Add(std::move(act));
    }
  }

  void Claim(const Exchange& exchange) {
    const v1::ClaimRequest& request = exchange.call.claim();
    v1::Operation start;
    start.mutable_start()->set_namespace_(request.namespace_());
    start.mutable_start()->set_id("any");
    start.mutable_start()->set_lock(request.lock());
    start.mutable_start()->set_worker(request.worker());
    *start.mutable_start()->mutable_lease() = request.lease();
    Act act = ActOf(exchange, Asks::kClaim);
    act.command = CommandOf(start);
    std::set<std::string> got;
    if (exchange.answered && exchange.answer.error().code() == 0) {
      for (const v1::Task& task : exchange.answer.claim().tasks()) {
        Act mine = act;
        mine.key = mine.command.key = {task.namespace_(), task.id()};
        Done(task, mine);
        got.insert(task.id());
        Add(std::move(mine));
      }
    } else if (exchange.answered &&
               (!TakeError(exchange.answer.error(), act) || act.told != Told::kNothing)) {
      return;
    }
    // It may have started any other one: for ever, where it was not answered, and else until its
    // answer, if trackerd did not know what became of its commit, and the task was lost again by
    // the time that it looked.
    for (int i = 0; i < kTasksOfANamespace; ++i) {
      const std::string id = absl::StrCat("t", i);
      if (got.contains(id)) continue;
      act.key = act.command.key = {request.namespace_(), id};
      Add(act);
    }
  }

  void Get(const Exchange& exchange) {
    Act act = ActOf(exchange, Asks::kLook);
    act.key = {exchange.call.get().namespace_(), exchange.call.get().id()};
    if (!exchange.answered) return;
    if (exchange.answer.error().code() == 0) {
      Done(exchange.answer.task(), act);
    } else if (!TakeError(exchange.answer.error(), act)) {
      return;
    }
    Add(std::move(act));
  }

  void List(const Exchange& exchange) {
    Act act = ActOf(exchange, Asks::kLook);
    if (!exchange.answered) return;
    if (exchange.answer.error().code() != 0) {
      TakeError(exchange.answer.error(), act);
      return;
    }
    for (const v1::Task& task : exchange.answer.list().tasks()) {
      Act seen = act;
      seen.key = {task.namespace_(), task.id()};
      Done(task, seen);
      Add(std::move(seen));
    }
  }

  const Policies& policies_;
  const absl::Duration offset_;
  Acts acts_;
};

std::string Clock(absl::Time time) {
  if (time == absl::InfiniteFuture()) return "never";
  return absl::FormatTime("%H:%M:%E6S", time, absl::UTCTimeZone());
}

}  // namespace

bool Definite(int code, const std::string& reason) {
  if (code == 0) return true;
  if (reason.empty() || reason == "STORE_UNAVAILABLE") return false;
  return code == static_cast<int>(grpc::StatusCode::NOT_FOUND) ||
         code == static_cast<int>(grpc::StatusCode::ALREADY_EXISTS) ||
         code == static_cast<int>(grpc::StatusCode::ABORTED) ||
         code == static_cast<int>(grpc::StatusCode::FAILED_PRECONDITION) ||
         code == static_cast<int>(grpc::StatusCode::RESOURCE_EXHAUSTED);
}

Acts TakeApart(const std::vector<Exchange>& history, const Policies& policies,
               absl::Duration offset) {
  Taker taker(policies, offset);
  for (const Exchange& exchange : history) taker.Take(exchange);
  return taker.Finish();
}

absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

std::string Show(const v1::Task& task) {
  std::string text = absl::StrCat(
      v1::Status_Name(task.status()).substr(7), " fence ", task.fence(), " attempts ",
      task.attempts(), " of ", task.max_attempts(), " worker '", task.worker(), "' updated ",
      Clock(TimeOf(task.update_time())), " created ", Clock(TimeOf(task.create_time())));
  if (task.has_lock_expire_time())
    absl::StrAppend(&text, " lease until ", Clock(TimeOf(task.lock_expire_time())));
  if (task.has_lock_time()) absl::StrAppend(&text, " locked ", Clock(TimeOf(task.lock_time())));
  if (!task.lock().empty()) absl::StrAppend(&text, " lock ", task.lock().substr(0, 8));
  for (const v1::TaskError& error : task.errors()) {
    absl::StrAppend(&text, " [", error.fence(), " ", Clock(TimeOf(error.time())), " '",
                    error.worker(), "' ", error.message().substr(0, 30), "]");
  }
  return text;
}

std::string Show(const Act& act) {
  const Call& call = act.exchange->call;
  std::string text =
      absl::StrCat(Clock(act.begin), " to ", Clock(act.end), "  process ", call.process(), " call ",
                   call.number(), " at server ", call.server());
  if (call.repeats() != 0) absl::StrAppend(&text, " (repeats ", call.repeats(), ")");
  const char* kind = act.asks == Asks::kLook ? "look" : act.asks == Asks::kClaim ? "claim" : "";
  absl::StrAppend(
      &text, ": ",
      act.asks == Asks::kWrite ? std::string(domain::ActionName(act.command.action)) : kind);
  if (call.request_case() == Call::kBatch) absl::StrAppend(&text, " (operation ", act.index, ")");
  absl::StrAppend(&text, " ", act.key.name_space, "/", act.key.id);
  if (act.asks != Asks::kLook) absl::StrAppend(&text, " lock ", act.command.token.substr(0, 8));
  if (const auto* start = std::get_if<domain::Start>(&act.command.action)) {
    absl::StrAppend(&text, start->ignore_lock ? " ignore_lock" : "", start->force ? " force" : "");
  }
  if (act.told == Told::kNothing) return absl::StrCat(text, " -> no answer");
  absl::StrAppend(&text, " -> ", act.told == Told::kDone ? "OK" : act.reason);
  if (act.shown) absl::StrAppend(&text, ": ", Show(*act.shown));
  return text;
}

}  // namespace tracker::chaos
