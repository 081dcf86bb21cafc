// The state machine as the full table: command x state x token x lease x attempts. What is expected
// is written out by hand, cell by cell.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "src/domain/transition.h"
#include "tests/unit/task_builder.h"

namespace tracker::domain::testing {
namespace {

// Columns: how the task is found.
//   pending    as created               later      as created, available in an hour
//   released   by Release               failed     by Fail
//   lapsed     failed, its lease ended  live       in progress, 30 s of its lease left
//   over       in progress, lease over  renewed    as live, by a heartbeat since: its alarm has
//   come waited     as later, and its time has come done for: exhausted (by Fail), succeeded,
//   ignored
// Cells:
//   >P >R >F >E >S >I  done; the task is now pending, running (in progress), failed, exhausted,
//                      succeeded, ignored
//   >-                 done; the task is gone
//   =                  the same answer again, nothing changed
//   NF EX LK LL NA PA NR XH SU IG CH
//                      refused: TASK_NOT_FOUND, TASK_EXISTS, TASK_LOCKED, LOCK_LOST,
//                      TASK_NOT_AVAILABLE, NAMESPACE_PAUSED, TASK_NOT_READY, TASK_EXHAUSTED,
//                      TASK_SUCCEEDED, TASK_IGNORED, TASK_CHANGED
//   XH>E               the exception: refused as TASK_EXHAUSTED, and the task is exhausted now
//   A|B                A with attempts left, B with none left

// With a token that is not the row's: an older attempt's, one never seen, or none.
constexpr char kForeignToken[] = R"(
command           missing pending later waited released failed lapsed live renewed over    exhausted succeeded ignored
create            >P      EX      EX    EX     EX       EX     EX     EX   EX      EX      EX        EX        EX
create_existing   >P      =       =     =      =        =      =      =    =       =       =         =         =
start             NF      >R      NA    >R     >R       >R|XH>E >R|XH>E LK    LK    >R|XH>E XH        SU        IG
start_create      >R      >R      NA    >R     >R       >R|XH>E >R|XH>E LK    LK    >R|XH>E XH        SU        IG
start_ignore_lock NF      >R      NA    >R     >R       >R|XH>E >R|XH>E >R|XH >R|XH >R|XH>E XH        SU        IG
start_force       NF      >R      NA    >R     >R       >R     >R     LK   LK      >R      >R        >R        >R
start_both        NF      >R      NA    >R     >R       >R     >R     >R   >R      >R      >R        >R        >R
start_paused      NF      PA      NA    PA     PA       PA     PA     LK   LK      PA      XH        SU        IG
start_paused_both NF      PA      NA    PA     PA       PA     PA     PA   PA      PA      PA        PA        PA
heartbeat         NF      LL      LL    LL     LL       LL     LL     LL   LL      LL      LL        LL        LL
succeed           NF      LL      LL    LL     LL       LL     LL     LL   LL      LL      LL        LL        LL
fail              NF      LL      LL    LL     LL       LL     LL     LL   LL      LL      LL        LL        LL
fail_no_retry     NF      LL      LL    LL     LL       LL     LL     LL   LL      LL      LL        LL        LL
release           NF      LL      LL    LL     LL       LL     LL     LL   LL      LL      LL        LL        LL
ignore            NF      >I      >I    >I     >I       >I     >I     >I   >I      >I      >I        >I        =
reset             NF      >P      >P    >P     >P       >P     >P     LK   LK      >P      >P        >P        >P
reset_force       NF      >P      >P    >P     >P       >P     >P     >P   >P      >P      >P        >P        >P
delete            NF      >-      >-    >-     >-       >-     >-     LK   LK      >-      >-        >-        >-
delete_force      NF      >-      >-    >-     >-       >-     >-     >-   >-      >-      >-        >-        >-
expire            NF      =       =     >P     =        =      =      =    >R      >F|>E   =         =         =
start_unmet       NF      NR      NA    NR     NR       NR     NR     LK   LK      NR      XH        SU        IG
start_unmet_all   NR      NR      NA    NR     NR       NR     NR     NR   NR      NR      NR        NR        NR
ignore_as_of      NF      >I      >I    >I     >I       >I     >I     >I   >I      >I      >I        >I        =
ignore_changed    NF      CH      CH    CH     CH       CH     CH     CH   CH      CH      CH        CH        CH
reset_as_of       NF      >P      >P    >P     >P       >P     >P     LK   LK      >P      >P        >P        >P
reset_changed     NF      CH      CH    CH     CH       CH     CH     CH   CH      CH      CH        CH        CH
delete_as_of      NF      >-      >-    >-     >-       >-     >-     LK   LK      >-      >-        >-        >-
delete_changed    NF      CH      CH    CH     CH       CH     CH     CH   CH      CH      CH        CH        CH
purge             NF      =       =     =      =        =      =      =    =       =       >-        >-        >-
purge_young       NF      =       =     =      =        =      =      =    =       =       =         =         =
)";

// With the token of an attempt before the last one: it may begin no other, by no flag. All else is
// as with a token never seen.
constexpr char kSpentToken[] = R"(
command           missing pending later waited released failed lapsed live renewed over exhausted succeeded ignored
start             NF      LL      NA    LL     LL       LL     LL     LK   LK      LL   XH        SU        IG
start_create      >R      LL      NA    LL     LL       LL     LL     LK   LK      LL   XH        SU        IG
start_ignore_lock NF      LL      NA    LL     LL       LL     LL     LL   LL      LL   XH        SU        IG
start_force       NF      LL      NA    LL     LL       LL     LL     LK   LK      LL   LL        LL        LL
start_both        NF      LL      NA    LL     LL       LL     LL     LL   LL      LL   LL        LL        LL
heartbeat         NF      LL      LL    LL     LL       LL     LL     LL   LL      LL   LL        LL        LL
succeed           NF      LL      LL    LL     LL       LL     LL     LL   LL      LL   LL        LL        LL
fail              NF      LL      LL    LL     LL       LL     LL     LL   LL      LL   LL        LL        LL
release           NF      LL      LL    LL     LL       LL     LL     LL   LL      LL   LL        LL        LL
)";

// With the row's own token: the holder's while in progress, else that of whoever changed the task
// last.
constexpr char kSameToken[] = R"(
command           missing pending later waited released failed lapsed live  renewed over  exhausted succeeded ignored
create            >P      =       =     =      EX       EX     EX     EX    EX      EX    EX        EX        EX
create_existing   >P      =       =     =      =        =      =      =     =       =     =         =         =
start             NF      LL      NA    LL     LL       LL     LL     =     =       LL    XH        SU        IG
start_create      >R      LL      NA    LL     LL       LL     LL     =     =       LL    XH        SU        IG
start_ignore_lock NF      LL      NA    LL     LL       LL     LL     =     =       LL    XH        SU        IG
start_force       NF      LL      NA    LL     LL       LL     LL     =     =       LL    LL        LL        LL
start_both        NF      LL      NA    LL     LL       LL     LL     =     =       LL    LL        LL        LL
start_paused      NF      LL      NA    LL     LL       LL     LL     =     =       LL    XH        SU        IG
heartbeat         NF      LL      LL    LL     LL       LL     LL     >R    >R      >R    LL        LL        LL
succeed           NF      LL      LL    LL     LL       LL     LL     >S    >S      >S    LL        =         LL
fail              NF      LL      LL    LL     LL       =      LL     >F|>E >F|>E   >F|>E =         LL        LL
fail_no_retry     NF      LL      LL    LL     LL       =      LL     >E    >E      >E    =         LL        LL
release           NF      LL      LL    LL     =        LL     LL     >P    >P      >P    LL        LL        LL
ignore            NF      >I      >I    >I     >I       >I     >I     >I    >I      >I    >I        >I        =
reset             NF      =       =     =      =        >P     >P     LK    LK      >P    >P        >P        >P
delete            NF      >-      >-    >-     >-       >-     >-     LK    LK      >-    >-        >-        >-
expire            NF      =       =     >P     =        =      =      =     >R      >F|>E =         =         =
start_unmet       NF      LL      NA    LL     LL       LL     LL     =     =       LL    XH        SU        IG
ignore_changed    NF      CH      CH    CH     CH       CH     CH     CH    CH      CH    CH        CH        =
reset_changed     NF      =       =     =      =        CH     CH     CH    CH      CH    CH        CH        CH
delete_changed    NF      CH      CH    CH     CH       CH     CH     CH    CH      CH    CH        CH        CH
purge             NF      =       =     =      =        =      =      =     =       =     >-        >-        >-
)";

// Each situation's task had an attempt with this lock, and another one since.
const std::string kSpentLock(32, 'd');

// Every situation's task was last changed at kStart, and not at this time.
const absl::Time kChanged = kStart - absl::Microseconds(1);

Action ActionOf(const std::string& name) {
  static const std::map<std::string, Action> kActions = {
      {"create", Create{}},
      {"create_existing", Create{.allow_existing = true}},
      {"start", Start{}},
      {"start_create", Start{.create_if_missing = true}},
      {"start_ignore_lock", Start{.ignore_lock = true}},
      {"start_force", Start{.force = true}},
      {"start_both", Start{.ignore_lock = true, .force = true}},
      {"start_paused", Start{}},
      {"start_paused_both", Start{.ignore_lock = true, .force = true}},
      {"heartbeat", Heartbeat{}},
      {"succeed", Succeed{}},
      {"fail", Fail{}},
      {"fail_no_retry", Fail{.no_retry = true}},
      {"release", Release{}},
      {"ignore", Ignore{}},
      {"reset", Reset{}},
      {"reset_force", Reset{.force = true}},
      {"delete", Delete{}},
      {"delete_force", Delete{.force = true}},
      {"expire", Expire{}},
      {"start_unmet", Start{.after = {"scans"}}},
      {"start_unmet_all",
       Start{.ignore_lock = true, .force = true, .create_if_missing = true, .after = {"scans"}}},
      {"ignore_as_of", Ignore{.as_of = kStart}},
      {"ignore_changed", Ignore{.as_of = kChanged}},
      {"reset_as_of", Reset{.as_of = kStart}},
      {"reset_changed", Reset{.force = true, .as_of = kChanged}},
      {"delete_as_of", Delete{.as_of = kStart}},
      {"delete_changed", Delete{.force = true, .as_of = kChanged}},
      {"purge", Purge{.before = kStart}},
      {"purge_young", Purge{.before = kChanged}}};
  return kActions.at(name);
}

Task Finished(Task task, Status status) {
  task.status = status;
  task.lock_expire_time = task.alarm_time = absl::UnixEpoch();
  return task;
}

std::optional<Task> Situation(const std::string& name, bool attempts_left) {
  const int attempts = attempts_left ? 1 : kMaxAttempts;
  if (name == "missing") return std::nullopt;
  if (name == "pending") return PendingTask();
  if (name == "later") {
    Task task = PendingTask();
    task.available_time = task.alarm_time = kNow + absl::Hours(1);
    return task;
  }
  if (name == "waited") {
    Task task = PendingTask();
    task.available_time = task.alarm_time = kNow;
    return task;
  }
  if (name == "released") {
    Task task = EndedTask(Status::kPending, ErrorKind::kReleased, attempts);
    task.attempts -= 1;
    return task;
  }
  if (name == "failed") return EndedTask(Status::kFailed, ErrorKind::kFailed, attempts);
  if (name == "lapsed") return EndedTask(Status::kFailed, ErrorKind::kLeaseExpired, attempts);
  if (name == "live") return RunningTask(attempts);
  if (name == "renewed") {
    Task task = RunningTask(attempts);
    task.alarm_time = kNow;
    return task;
  }
  if (name == "over") {
    Task task = RunningTask(attempts);
    task.lock_time = kNow - kLease;
    task.lock_expire_time = task.alarm_time = kNow;  // The first instant at which it is over.
    return task;
  }
  if (name == "exhausted") return EndedTask(Status::kExhausted, ErrorKind::kFailed, attempts);
  if (name == "succeeded") return Finished(RunningTask(attempts), Status::kSucceeded);
  if (name == "ignored") return Finished(RunningTask(attempts), Status::kIgnored);
  ADD_FAILURE() << "no such situation: " << name;
  return std::nullopt;
}

// The cell that describes what happened, in the table's words.
std::string Describe(const Transition& transition, const std::optional<Task>& after) {
  static const std::map<Reason, std::string> kRefusals = {
      {Reason::kTaskNotFound, "NF"},     {Reason::kTaskExists, "EX"},
      {Reason::kTaskLocked, "LK"},       {Reason::kLockLost, "LL"},
      {Reason::kTaskNotAvailable, "NA"}, {Reason::kNamespacePaused, "PA"},
      {Reason::kTaskExhausted, "XH"},    {Reason::kTaskSucceeded, "SU"},
      {Reason::kTaskIgnored, "IG"},      {Reason::kTaskNotReady, "NR"},
      {Reason::kTaskChanged, "CH"}};
  static const std::map<Status, std::string> kStates = {
      {Status::kPending, ">P"},   {Status::kInProgress, ">R"}, {Status::kFailed, ">F"},
      {Status::kExhausted, ">E"}, {Status::kSucceeded, ">S"},  {Status::kIgnored, ">I"}};
  const std::string state = after ? kStates.at(after->status) : ">-";
  if (!transition.outcome.ok()) {
    return kRefusals.at(transition.outcome.reason) + (transition.changed ? state : "");
  }
  return transition.changed ? state : "=";
}

void CheckCell(const std::string& command_name, const std::string& situation,
               const std::string& token, bool attempts_left, const std::string& expected) {
  SCOPED_TRACE(absl::StrCat(command_name, " on ", situation, ", token '", token.substr(0, 1),
                            "', attempts left: ", attempts_left));
  std::optional<Task> before = Situation(situation, attempts_left);
  if (before) before->spent_locks = {kSpentLock};
  std::optional<Task> after = before;
  Command command = MakeCommand(ActionOf(command_name), token);
  if (command_name.find("paused") != std::string::npos) {
    auto policy = std::make_shared<Policy>();
    policy->paused = true;
    command.policy = policy;
  }
  const std::vector<std::string> unmet = command_name.find("unmet") != std::string::npos
                                             ? std::vector<std::string>{"scans"}
                                             : std::vector<std::string>{};
  const Transition transition = Apply(after, command, kNow, unmet);
  const Outcome& outcome = transition.outcome;

  EXPECT_EQ(Describe(transition, after), expected);
  EXPECT_EQ(outcome.now, kNow);
  EXPECT_EQ(outcome.missing, expected == "NR" ? unmet : std::vector<std::string>());
  EXPECT_EQ(outcome.message.empty(), outcome.ok()) << "a refusal says why: " << outcome.message;
  if (!transition.changed) {
    EXPECT_EQ(after, before) << "nothing changed, it says, but something did";
  }
  // The answer carries the task as it stands now; a deleted one as it was.
  std::optional<Task> shown = after ? after : before;
  const bool started = outcome.ok() && command_name.rfind("start", 0) == 0;
  if (shown && !started) shown->lock.clear();
  EXPECT_EQ(outcome.task, shown);
  if (started) {
    EXPECT_EQ(outcome.task->lock, token);
  }
}

void CheckTable(const char* table, const std::vector<std::string>& tokens) {
  const std::vector<std::string> lines = absl::StrSplit(table, '\n', absl::SkipEmpty());
  const std::vector<std::string> columns = absl::StrSplit(lines[0], ' ', absl::SkipEmpty());
  for (size_t line = 1; line < lines.size(); ++line) {
    const std::vector<std::string> cells = absl::StrSplit(lines[line], ' ', absl::SkipEmpty());
    ASSERT_EQ(cells.size(), columns.size()) << lines[line];
    for (size_t column = 1; column < cells.size(); ++column) {
      const std::vector<std::string> expected = absl::StrSplit(cells[column], '|');
      for (const std::string& token : tokens) {
        CheckCell(cells[0], columns[column], token, true, expected.front());
        CheckCell(cells[0], columns[column], token, false, expected.back());
      }
    }
  }
}

TEST(TransitionTableTest, WithAForeignToken) {
  CheckTable(kForeignToken, {kOldToken, kOtherToken, ""});
}

TEST(TransitionTableTest, WithASpentToken) { CheckTable(kSpentToken, {kSpentLock}); }

TEST(TransitionTableTest, WithTheOwnToken) { CheckTable(kSameToken, {kOwnToken}); }

}  // namespace
}  // namespace tracker::domain::testing
