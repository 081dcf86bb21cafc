#include "src/domain/command.h"

namespace tracker::domain {
namespace {

template <typename... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <typename... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

size_t OptionalSize(const std::optional<std::string>& text) { return text ? text->size() : 0; }

}  // namespace

std::vector<const Command*> PointersTo(const std::vector<Command>& commands) {
  std::vector<const Command*> pointers;
  pointers.reserve(commands.size());
  for (const Command& command : commands) pointers.push_back(&command);
  return pointers;
}

bool MayPass(Reason reason) {
  return reason == Reason::kStoreUnavailable || reason == Reason::kOverloaded ||
         reason == Reason::kHeld || reason == Reason::kDeferred;
}

bool NeedsErrors(const Action& action) {
  return !std::holds_alternative<Create>(action) && !std::holds_alternative<Heartbeat>(action) &&
         !std::holds_alternative<Succeed>(action) && !std::holds_alternative<Delete>(action) &&
         !std::holds_alternative<Purge>(action);
}

absl::string_view ActionName(const Action& action) {
  constexpr absl::string_view kNames[] = {"create", "start",   "heartbeat", "succeed",
                                          "fail",   "release", "ignore",    "reset",
                                          "delete", "expire",  "purge"};
  static_assert(std::size(kNames) == std::variant_size_v<Action>);
  return kNames[action.index()];
}

size_t ByteSize(const Command& command) {
  const size_t payload =
      std::visit(Overloaded{
                     [](const Create& create) { return create.data.size(); },
                     [](const Start& start) {
                       size_t size = start.worker.size();
                       for (const std::string& name_space : start.after) size += name_space.size();
                       return size;
                     },
                     [](const Heartbeat& heartbeat) { return OptionalSize(heartbeat.data); },
                     [](const Succeed& succeed) { return OptionalSize(succeed.data); },
                     [](const Fail& fail) {
                       return fail.message.size() + fail.traceback.size() + OptionalSize(fail.data);
                     },
                     [](const auto&) { return size_t{0}; },
                 },
                 command.action);
  return sizeof(Command) + command.key.name_space.size() + command.key.id.size() + payload;
}

absl::string_view ReasonName(Reason reason) {
  switch (reason) {
    case Reason::kOk: return "OK";
    case Reason::kTaskNotFound: return "TASK_NOT_FOUND";
    case Reason::kTaskExists: return "TASK_EXISTS";
    case Reason::kTaskLocked: return "TASK_LOCKED";
    case Reason::kLockLost: return "LOCK_LOST";
    case Reason::kTaskNotAvailable: return "TASK_NOT_AVAILABLE";
    case Reason::kNamespacePaused: return "NAMESPACE_PAUSED";
    case Reason::kTaskExhausted: return "TASK_EXHAUSTED";
    case Reason::kTaskSucceeded: return "TASK_SUCCEEDED";
    case Reason::kTaskIgnored: return "TASK_IGNORED";
    case Reason::kTaskNotReady: return "TASK_NOT_READY";
    case Reason::kTaskChanged: return "TASK_CHANGED";
    case Reason::kStoreUnavailable:
    case Reason::kHeld:
    case Reason::kDeferred: return "STORE_UNAVAILABLE";
    case Reason::kInternal: return "INTERNAL";
    case Reason::kOverloaded: return "OVERLOADED";
    case Reason::kDeadlineExceeded: return "DEADLINE_EXCEEDED";
    case Reason::kCancelled: return "CANCELLED";
  }
  return "UNKNOWN";
}

}  // namespace tracker::domain
