#include "src/store/postgres/vacuum.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "src/store/postgres/stoppable.h"

namespace tracker::store::postgres {
namespace {

constexpr absl::Duration kFirstPause = absl::Seconds(2);
// An old transaction may end at any time, and what has piled up behind it is in the way until then.
constexpr absl::Duration kLongestPause = absl::Minutes(5);

// A vacuum reads the whole index: so the more there is in it, the more dead rows it must be worth.
const Statement kPiledUp = {
    "piled_up",
    "SELECT relname FROM pg_stat_user_tables WHERE schemaname = 'tracker'"
    " AND relname IN ('ready', 'alarm') AND n_dead_tup > 10000 + n_live_tup / 50"};

// Whether a VACUUM of this role does anything; else it is a warning of the server's and nothing
// more. The owners, and from version 17 on whoever has MAINTAIN.
const Statement kMayVacuum = {
    "may_vacuum",
    "SELECT bool_and(pg_has_role(c.relowner, 'USAGE') OR pg_has_role(d.datdba, 'USAGE')"
    " OR CASE WHEN current_setting('server_version_num')::int >= 170000"
    " THEN has_table_privilege(c.oid, 'MAINTAIN') ELSE false END)"
    " FROM pg_class c, pg_database d WHERE d.datname = current_database()"
    " AND c.oid IN ('tracker.ready'::regclass, 'tracker.alarm'::regclass)"};

}  // namespace

void VacuumPause::Done(bool helped, base::MonotonicTime now) {
  pause_ = helped ? absl::ZeroDuration() : std::clamp(2 * pause_, kFirstPause, kLongestPause);
  next_ = now + pause_;
}

absl::Status Vacuumer::Run(const GoOn& go_on) {
  absl::StatusOr<Rows> tables = read_.Read({kPiledUp, {}});
  if (!tables.ok()) return tables.status();
  for (int row = 0; row < tables->size(); ++row) {
    const std::string table(tables->Text(row, 0));
    VacuumPause& pause = pauses_[table];
    if (!pause.IsDue(base::MonotonicNow())) continue;
    const absl::Status vacuumed = Vacuum(table, go_on);
    bool helped = vacuumed.ok();
    if (helped) {
      // What the vacuum itself has reported.
      absl::StatusOr<Rows> left = read_.Read({kPiledUp, {}});
      if (!left.ok()) return left.status();
      for (int i = 0; i < left->size(); ++i) helped &= left->Text(i, 0) != table;
    }
    pause.Done(helped, base::MonotonicNow());
    if (!vacuumed.ok()) return vacuumed;
  }
  return absl::OkStatus();
}

// It takes as long as it takes. Another server's vacuum of the same table is enough.
absl::Status Vacuumer::Vacuum(const std::string& table, const GoOn& go_on) {
  absl::StatusOr<Rows> may = read_.Read({kMayVacuum, {}});
  if (!may.ok()) return may.status();
  if (may->Text(0, 0) != "t") {
    if (!warned_ && on_event_) {
      on_event_(
          {.name = "cannot_vacuum",
           .text =
               "this role may not VACUUM tracker.ready and tracker.alarm: claims slow down while "
               "autovacuum has not been there; let their owner run trackerd, or GRANT MAINTAIN on "
               "them "
               "(PostgreSQL 17)"});
    }
    warned_ = true;
    return absl::OkStatus();
  }
  return read_.With([&](Connection& connection) -> absl::Status {
    absl::StatusOr<Rows> unlimited = connection.ExecuteText("SET statement_timeout = 0");
    if (!unlimited.ok()) return unlimited.status();
    const absl::Status done =
        ExecuteTextStoppable(connection,
                             absl::StrCat("VACUUM (SKIP_LOCKED, INDEX_CLEANUP ON, TRUNCATE OFF)"
                                          " tracker.",
                                          table),
                             go_on)
            .status();
    // The next user of the connection has the limit again.
    if (!connection.ExecuteText(kStatementTimeout).ok()) connection.Abandon();
    return done;
  });
}

}  // namespace tracker::store::postgres
