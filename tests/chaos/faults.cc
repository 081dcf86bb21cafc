#include "tests/chaos/faults.h"

#include <signal.h>
#include <sqlite3.h>

#include <pqxx/pqxx>
#include <stdexcept>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/chaos/namespaces.h"

namespace tracker::chaos {
namespace {

using Random = std::mt19937_64;

constexpr absl::Duration kHour = absl::Hours(1);
// How long it is tried to put right what another fault keeps from being put right.
constexpr absl::Duration kPutRight = absl::Seconds(60);
constexpr absl::Duration kPutRightPause = absl::Milliseconds(100);

int Below(Random& random, int limit) {
  return std::uniform_int_distribution<int>(0, limit - 1)(random);
}

// Some hours, ahead or behind.
absl::Duration AnyShift(Random& random) {
  return kHour * (1 + Below(random, 8)) * (Below(random, 2) == 0 ? 1 : -1);
}

void Must(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

// Servers.

auto KillServer(int server) {
  return [server](Fleet& fleet, absl::Duration length, Random&) {
    fleet.StopServer(server, SIGKILL);
    absl::SleepFor(length);
    fleet.StartServer(server);
  };
}

auto StopServer(int server) {
  return [server](Fleet& fleet, absl::Duration length, Random&) {
    fleet.SignalServer(server, SIGSTOP);
    absl::SleepFor(length);
    fleet.SignalServer(server, SIGCONT);
  };
}

auto DrainServer(int server) {
  return [server](Fleet& fleet, absl::Duration length, Random&) {
    fleet.StopServer(server, SIGTERM);
    absl::SleepFor(length);
    fleet.StartServer(server);
  };
}

auto ShiftServerClock(int server) {
  return [server](Fleet& fleet, absl::Duration length, Random& random) {
    fleet.StopServer(server, SIGKILL);
    fleet.StartServer(server, AnyShift(random));
    absl::SleepFor(length);
    fleet.StopServer(server, SIGKILL);
    fleet.StartServer(server);
  };
}

// Killed by its own hand, at some write of a commit.
auto KillInCommit(int server) {
  return [server](Fleet& fleet, absl::Duration length, Random& random) {
    const absl::Time end = absl::Now() + length;
    do {
      fleet.ArmDeath(server, 1 + Below(random, 12));
      absl::SleepFor(absl::Milliseconds(300));
      fleet.ArmDeath(server, 0);
      fleet.StopServer(server, SIGKILL);
      fleet.StartServer(server);
    } while (absl::Now() < end);
  };
}

// Workers.

void KillWorkers(Fleet& fleet, absl::Duration length, Random& random) {
  const absl::Time end = absl::Now() + length;
  while (absl::Now() < end) {
    fleet.ReplaceWorker(Below(random, fleet.workers()));
    absl::SleepFor(absl::Milliseconds(200));
  }
}

void StopWorkers(Fleet& fleet, absl::Duration length, Random& random) {
  const int first = Below(random, fleet.workers());
  const int second = (first + 1 + Below(random, fleet.workers() - 1)) % fleet.workers();
  for (const int place : {first, second}) fleet.SignalWorker(place, SIGSTOP);
  absl::SleepFor(length);
  for (const int place : {first, second}) fleet.SignalWorker(place, SIGCONT);
}

void ShiftWorkerClock(Fleet& fleet, absl::Duration length, Random& random) {
  const int place = Below(random, fleet.workers());
  fleet.ReplaceWorker(place, AnyShift(random));
  absl::SleepFor(length);
  fleet.ReplaceWorker(place);
}

// Links. Mostly of one server, at times of both.

using Meddle = std::function<void(testing::FaultProxy&, Random&)>;

void MeddleWith(std::vector<testing::FaultProxy*> links, absl::Duration length, Random& random,
                const Meddle& meddle) {
  if (Below(random, 4) != 0) links = {links[Below(random, static_cast<int>(links.size()))]};
  const absl::Time end = absl::Now() + length;
  for (testing::FaultProxy* link : links) meddle(*link, random);
  absl::SleepFor(end - absl::Now());
  for (testing::FaultProxy* link : links) link->Heal();
}

auto ClientLink(Meddle meddle) {
  return [meddle = std::move(meddle)](Fleet& fleet, absl::Duration length, Random& random) {
    MeddleWith({&fleet.client_link(0), &fleet.client_link(1)}, length, random, meddle);
  };
}

auto DatabaseLink(Meddle meddle) {
  return [meddle = std::move(meddle)](Fleet& fleet, absl::Duration length, Random& random) {
    MeddleWith({fleet.database_link(0), fleet.database_link(1)}, length, random, meddle);
  };
}

void Delay(testing::FaultProxy& link, Random& random) {
  link.Delay(absl::Milliseconds(10 + Below(random, 190)));
}
// What was asked is done soon, and known late: callers give up in between.
void DelayAnswers(testing::FaultProxy& link, Random& random) {
  link.DelayAnswers(absl::Milliseconds(15 + Below(random, 45)));
}
void Cut(testing::FaultProxy& link, Random&) {
  for (int i = 0; i < 5; ++i) {
    link.CutAll();
    absl::SleepFor(absl::Milliseconds(100));
  }
}
void CutAfterRequests(testing::FaultProxy& link, Random& random) {
  for (int i = 0; i < 8; ++i) {
    link.CutAfterRequest(1);
    absl::SleepFor(absl::Milliseconds(20 + Below(random, 150)));
  }
}
// What became of these is in doubt.
void CutAfterCommits(testing::FaultProxy& link, Random& random) {
  for (int i = 0; i < 25; ++i) {
    link.CutAfterRequest(1, {"COMMIT"});
    absl::SleepFor(absl::Milliseconds(20 + Below(random, 60)));
  }
}
void LoseRequests(testing::FaultProxy& link, Random& random) {
  for (int i = 0; i < 8; ++i) {
    link.LoseRequest(1);
    absl::SleepFor(absl::Milliseconds(20 + Below(random, 150)));
  }
}
void HalfOpen(testing::FaultProxy& link, Random&) { link.HalfOpen(true); }
void Refuse(testing::FaultProxy& link, Random&) {
  link.Refuse(true);
  link.CutAll();
}

// The database itself.

void CrashPostgres(Fleet& fleet, absl::Duration length, Random&) {
  Must(fleet.postgres()->Crash());
  absl::SleepFor(length);
  Must(fleet.postgres()->StartAgain());
}

void RestartPostgres(Fleet& fleet, absl::Duration length, Random&) {
  Must(fleet.postgres()->Stop());
  absl::SleepFor(length);
  Must(fleet.postgres()->StartAgain());
}

void TerminateSessions(Fleet& fleet, absl::Duration length, Random&) {
  const absl::Time end = absl::Now() + length;
  pqxx::connection connection(fleet.DatabaseUrl());
  pqxx::nontransaction operator_session(connection);
  while (absl::Now() < end) {
    operator_session.exec(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'trackerd' AND datname = current_database()");
    absl::SleepFor(absl::Milliseconds(150));
  }
}

// A stranger takes every connection that there is, and sessions of trackerd are ended: it cannot
// come back.
void TakeAllConnections(Fleet& fleet, absl::Duration length, Random&) {
  const absl::Time end = absl::Now() + length;
  pqxx::connection connection(fleet.DatabaseUrl());
  pqxx::nontransaction operator_session(connection);
  std::vector<std::unique_ptr<pqxx::connection>> taken;
  while (absl::Now() < end) {
    operator_session.exec(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'trackerd' AND datname = current_database()");
    try {
      while (true) taken.push_back(std::make_unique<pqxx::connection>(fleet.DatabaseUrl()));
    } catch (const pqxx::broken_connection&) {
      // There are no more.
    }
    absl::SleepFor(absl::Milliseconds(50));
  }
}

void FillDisk(Fleet& fleet, absl::Duration length, Random&) {
  Must(fleet.disk()->Fill());
  absl::SleepFor(length);
  Must(fleet.disk()->Free());
  // A server that finds no room for its log ends, or crashes and comes back.
  for (const absl::Time end = absl::Now() + absl::Seconds(5); absl::Now() < end;
       absl::SleepFor(kPutRightPause)) {
    try {
      pqxx::connection connection(fleet.DatabaseUrl());
      return;
    } catch (const pqxx::broken_connection&) {
    }
  }
  (void)fleet.postgres()->Crash();
  Must(fleet.postgres()->StartAgain());
}

// Somebody's psql.

void HoldRows(Fleet& fleet, absl::Duration length, Random& random) {
  pqxx::connection connection(fleet.DatabaseUrl());
  pqxx::work work(connection);
  work.exec(absl::StrCat("SELECT 1 FROM tracker.task WHERE id IN ('t",
                         Below(random, kTasksOfANamespace), "', 't",
                         Below(random, kTasksOfANamespace), "') FOR UPDATE SKIP LOCKED"));
  absl::SleepFor(length);
}

void HoldTable(Fleet& fleet, absl::Duration length, Random& random) {
  static constexpr const char* kTables[] = {"task", "ready", "alarm", "task_count"};
  pqxx::connection connection(fleet.DatabaseUrl());
  pqxx::work work(connection);
  work.exec(
      absl::StrCat("LOCK TABLE tracker.", kTables[Below(random, 4)], " IN ACCESS EXCLUSIVE MODE"));
  absl::SleepFor(length);
}

// A report that runs for long: nothing that it may look at is cleared away meanwhile.
void KeepSnapshot(Fleet& fleet, absl::Duration length, Random&) {
  pqxx::connection connection(fleet.DatabaseUrl());
  pqxx::nontransaction session(connection);
  session.exec("BEGIN ISOLATION LEVEL REPEATABLE READ");
  session.exec("SELECT count(*) FROM tracker.task");
  absl::SleepFor(length);
  session.exec("COMMIT");
}

// A third of the transactions that write fail with this error, as a trigger says. The trigger
// outlives a crash of the database, so it is taken away however long that takes.
auto FailTransactions(std::string sqlstate) {
  return [sqlstate = std::move(sqlstate)](Fleet& fleet, absl::Duration length, Random&) {
    const std::string url = fleet.DatabaseUrl();
    pqxx::connection connection(url);
    pqxx::nontransaction(connection)
        .exec(absl::StrCat(
            "CREATE OR REPLACE FUNCTION chaos_fail() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
            " IF random() < 0.33 THEN RAISE EXCEPTION 'on command' USING ERRCODE = '",
            sqlstate, "'; END IF; RETURN NULL; END $$"));
    pqxx::nontransaction(connection)
        .exec(
            "CREATE OR REPLACE TRIGGER chaos_fail BEFORE INSERT OR UPDATE OR DELETE ON tracker.task"
            " FOR EACH STATEMENT EXECUTE FUNCTION chaos_fail()");
    absl::SleepFor(length);
    for (const absl::Time end = absl::Now() + kPutRight;; absl::SleepFor(kPutRightPause)) {
      try {
        pqxx::connection again(url);
        pqxx::nontransaction(again).exec("DROP TRIGGER IF EXISTS chaos_fail ON tracker.task");
        return;
      } catch (const std::exception&) {
        if (absl::Now() > end) throw;
      }
    }
  };
}

// SQLite's file, by another process.
void LockFile(Fleet& fleet, absl::Duration length, Random& random) {
  sqlite3* database = nullptr;
  sqlite3_open(fleet.SqliteFile().c_str(), &database);
  sqlite3_busy_timeout(database, 20'000);
  const char* begin = Below(random, 2) == 0 ? "BEGIN IMMEDIATE" : "BEGIN EXCLUSIVE";
  const bool locked = sqlite3_exec(database, begin, nullptr, nullptr, nullptr) == SQLITE_OK;
  if (locked) absl::SleepFor(length);
  sqlite3_close(database);
  if (!locked) throw std::runtime_error("cannot lock " + fleet.SqliteFile());
}

std::vector<Fault> MakeFaults() {
  using absl::Milliseconds;
  using absl::Seconds;
  std::vector<Fault> faults;
  for (const int server : {0, 1}) {
    const Part part = server == 0 ? Part::kFirstServer : Part::kSecondServer;
    faults.push_back(
        {"trackerd killed", part, true, true, Milliseconds(0), Seconds(2), KillServer(server)});
    faults.push_back(
        {"trackerd stopped", part, true, true, Milliseconds(300), Seconds(5), StopServer(server)});
    faults.push_back(
        {"trackerd drained", part, true, true, Milliseconds(0), Seconds(1), DrainServer(server)});
    // SQLite's leases go by the clock of the machine, so it must be one.
    faults.push_back({"trackerd's clock shifted", part, true, false, Seconds(2), Seconds(5),
                      ShiftServerClock(server)});
    faults.push_back({"trackerd killed in a commit", part, false, true, Seconds(1), Seconds(4),
                      KillInCommit(server)});
  }
  const auto add = [&](std::string name, Part part, bool postgres, bool sqlite,
                       absl::Duration shortest, absl::Duration longest,
                       decltype(Fault::happen) happen) {
    faults.push_back(
        {std::move(name), part, postgres, sqlite, shortest, longest, std::move(happen)});
  };
  add("workers killed", Part::kWorkers, true, true, Milliseconds(200), Seconds(3), KillWorkers);
  add("workers stopped", Part::kWorkers, true, true, Milliseconds(500), Seconds(5), StopWorkers);
  add("a worker's clock shifted", Part::kWorkers, true, true, Seconds(2), Seconds(5),
      ShiftWorkerClock);
  add("client link delayed", Part::kLinks, true, true, Seconds(1), Seconds(4), ClientLink(Delay));
  add("client link cut", Part::kLinks, true, true, Seconds(1), Seconds(2), ClientLink(Cut));
  add("client link cut after requests", Part::kLinks, true, true, Seconds(1), Seconds(2),
      ClientLink(CutAfterRequests));
  add("client link half open", Part::kLinks, true, true, Seconds(1), Seconds(5),
      ClientLink(HalfOpen));
  add("client link refused", Part::kLinks, true, true, Seconds(1), Seconds(3), ClientLink(Refuse));
  add("database link delayed", Part::kLinks, true, false, Seconds(1), Seconds(4),
      DatabaseLink(Delay));
  add("database answers delayed", Part::kLinks, true, false, Seconds(2), Seconds(4),
      DatabaseLink(DelayAnswers));
  add("database link cut", Part::kLinks, true, false, Seconds(1), Seconds(2), DatabaseLink(Cut));
  add("database link cut after requests", Part::kLinks, true, false, Seconds(1), Seconds(2),
      DatabaseLink(CutAfterRequests));
  add("database link cut after commits", Part::kLinks, true, false, Seconds(1), Seconds(3),
      DatabaseLink(CutAfterCommits));
  add("database link loses requests", Part::kLinks, true, false, Seconds(1), Seconds(2),
      DatabaseLink(LoseRequests));
  add("database link half open", Part::kLinks, true, false, Seconds(1), Seconds(5),
      DatabaseLink(HalfOpen));
  add("PostgreSQL crashed", Part::kDatabase, true, false, Milliseconds(0), Seconds(2),
      CrashPostgres);
  add("PostgreSQL restarted", Part::kDatabase, true, false, Milliseconds(0), Seconds(2),
      RestartPostgres);
  add("sessions terminated", Part::kDatabase, true, false, Milliseconds(200), Seconds(2),
      TerminateSessions);
  add("no connections left", Part::kDatabase, true, false, Seconds(1), Seconds(3),
      TakeAllConnections);
  add("disk full", Part::kDatabase, true, false, Seconds(1), Seconds(3), FillDisk);
  add("rows held", Part::kStranger, true, false, Seconds(1), Seconds(4), HoldRows);
  add("table held", Part::kStranger, true, false, Milliseconds(300), Seconds(2), HoldTable);
  add("long transaction", Part::kStranger, true, false, Seconds(3), Seconds(8), KeepSnapshot);
  add("serialization failures", Part::kStranger, true, false, Seconds(1), Seconds(3),
      FailTransactions("40001"));
  add("deadlocks", Part::kStranger, true, false, Seconds(1), Seconds(3), FailTransactions("40P01"));
  add("file locked", Part::kStranger, false, true, Milliseconds(300), Seconds(3), LockFile);
  return faults;
}

}  // namespace

const std::vector<Fault>& AllFaults() {
  static const std::vector<Fault>* faults = new std::vector<Fault>(MakeFaults());
  return *faults;
}

std::string WhyNot(const Fault& fault, Fleet& fleet) {
  if (fleet.sqlite() ? !fault.on_sqlite : !fault.on_postgres) return "not on this store";
  if (fault.name == "disk full" && fleet.disk() == nullptr)
    return "no small disk can be mounted here";
  return "";
}

}  // namespace tracker::chaos
