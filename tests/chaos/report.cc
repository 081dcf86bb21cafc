#include "tests/chaos/report.h"

#include <algorithm>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/chaos/acts.h"
#include "tests/chaos/fleet.h"
#include "tests/e2e/api.h"

namespace tracker::chaos {
namespace {

std::string KindOf(const Call& call) {
  if (call.has_write()) {
    switch (call.write().operation_case()) {
      case v1::Operation::kCreate: return "Create";
      case v1::Operation::kStart: return "Start";
      case v1::Operation::kHeartbeat: return "Heartbeat";
      case v1::Operation::kSucceed: return "Succeed";
      case v1::Operation::kFail: return "Fail";
      case v1::Operation::kRelease: return "Release";
      case v1::Operation::kIgnore: return "Ignore";
      case v1::Operation::kReset: return "Reset";
      case v1::Operation::kDelete: return "Delete";
      case v1::Operation::OPERATION_NOT_SET: break;
    }
  }
  if (call.has_batch()) return "Batch";
  if (call.has_claim()) return "Claim";
  return call.has_get() ? "Get" : "List";
}

struct Tally {
  int64_t calls = 0, done = 0, refused = 0, unknown = 0;
};

bool Acknowledged(const Exchange& exchange) {
  return exchange.answered && exchange.answer.error().code() == 0;
}

bool WasTold(const Exchange& exchange) {
  return exchange.answered &&
         Definite(exchange.answer.error().code(), e2e::RefusalOf(exchange.answer.error()).reason);
}

// Until each server had answered a call that began after `from`; negative: never.
double SecondsAway(const std::vector<Exchange>& history, int64_t from) {
  std::vector<int64_t> first(kServers, INT64_MAX);
  auto exchange =
      std::lower_bound(history.begin(), history.end(), from,
                       [](const Exchange& e, int64_t us) { return e.call.begin_us() < us; });
  for (; exchange != history.end(); ++exchange) {
    if (!WasTold(*exchange) || exchange->call.has_get() || exchange->call.has_list()) continue;
    int64_t& mine = first[exchange->call.server()];
    mine = std::min(mine, exchange->answer.end_us());
    const int64_t last = *std::max_element(first.begin(), first.end());
    // What begins later than that is answered later, too.
    if (last != INT64_MAX && exchange->call.begin_us() > last) break;
  }
  const int64_t last = *std::max_element(first.begin(), first.end());
  return last == INT64_MAX ? -1 : static_cast<double>(last - from) / 1e6;
}

}  // namespace

std::string ShowCalls(const std::vector<Exchange>& history) {
  std::map<std::string, Tally> tallies;
  std::map<std::string, int64_t> refusals;
  int64_t repeats = 0, takeovers = 0, attempts = 0, killed = 0;
  for (const Exchange& exchange : history) {
    for (Tally* tally : {&tallies[KindOf(exchange.call)], &tallies["all"]}) {
      ++tally->calls;
      ++(Acknowledged(exchange) ? tally->done
         : WasTold(exchange)    ? tally->refused
                                : tally->unknown);
    }
    repeats += exchange.call.repeats() != 0;
    killed += !exchange.answered;
    if (exchange.answered && !Acknowledged(exchange)) {
      const auto& error = exchange.answer.error();
      const std::string reason = e2e::RefusalOf(error).reason;
      ++refusals[reason.empty() ? absl::StrCat("code ", error.code(), " without a reason")
                                : reason];
    }
    const Answer& answer = exchange.answer;
    attempts += answer.claim().tasks_size() + (answer.has_task() && !answer.task().lock().empty());
    takeovers += answer.has_task() && exchange.call.write().start().ignore_lock() &&
                 answer.task().errors_size() > 0 &&
                 absl::StartsWith(answer.task().errors().rbegin()->message(), "taken over");
  }
  std::string text =
      absl::StrFormat("%-10s %9s %9s %9s %9s\n", "call", "asked", "done", "refused", "unknown");
  for (const auto& [kind, tally] : tallies) {
    absl::StrAppendFormat(&text, "%-10s %9d %9d %9d %9d\n", kind, tally.calls, tally.done,
                          tally.refused, tally.unknown);
  }
  absl::StrAppendFormat(&text,
                        "%d repeats of calls with an unknown outcome, %d calls of workers that were"
                        " killed, %d attempts begun, %d takeovers\n",
                        repeats, killed, attempts, takeovers);
  for (const auto& [reason, count] : refusals)
    absl::StrAppend(&text, "  ", count, " ", reason, "\n");
  return text;
}

std::string ShowFaults(const std::vector<Exchange>& history,
                       const std::vector<Happened>& happened) {
  struct Row {
    int alone = 0, mixed = 0, failed = 0;
    std::vector<double> away;
  };
  std::map<int, int> faults_of_episode;
  for (const Happened& fault : happened) ++faults_of_episode[fault.event->episode];
  std::map<std::string, Row> rows;
  for (const Happened& fault : happened) {
    Row& row = rows[fault.event->fault->name];
    row.failed += !fault.trouble.empty();
    if (faults_of_episode[fault.event->episode] > 1) {
      ++row.mixed;
      continue;
    }
    ++row.alone;
    row.away.push_back(SecondsAway(history, fault.end_us));
  }
  std::string text = absl::StrFormat("%-34s %5s %5s %8s   %s\n", "fault", "alone", "mixed",
                                     "failed", "service back after: median, longest");
  for (auto& [name, row] : rows) {
    absl::StrAppendFormat(&text, "%-34s %5d %5d %8d", name, row.alone, row.mixed, row.failed);
    std::sort(row.away.begin(), row.away.end());
    if (!row.away.empty()) {
      absl::StrAppendFormat(&text, "   %6.2f s %6.2f s%s", row.away[row.away.size() / 2],
                            row.away.back(), row.away.front() < 0 ? "  NOT BACK" : "");
    }
    absl::StrAppend(&text, "\n");
  }
  return text;
}

}  // namespace tracker::chaos
