#include "src/store/postgres/policies.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/limits.h"
#include "src/store/policy_json.h"
#include "src/store/postgres/statements.h"

namespace tracker::store::postgres {
namespace {

// Deletions that one step forgets.
constexpr int kForgetRows = 1000;

// Locks the version's row: so changes of policies come one after another.
const Statement kBumpVersion = {
    "bump_policy_version",
    "UPDATE tracker.meta SET value = (value::bigint + 1)::text WHERE key = 'policy_version'"
    " RETURNING value"};
const Statement kVersion = {"policy_version",
                            "SELECT value FROM tracker.meta WHERE key = 'policy_version'"};
const Statement kPolicyState = {
    "policy_state",
    "SELECT " TRACKER_NOW_US ", (SELECT revision FROM tracker.policy WHERE namespace = $1::text)"};
const Statement kSetPolicy = {
    "set_policy",
    "INSERT INTO tracker.policy (namespace, document, revision, update_us)"
    " VALUES ($1::text, $2::json, $3::bigint, $4::bigint)"
    " ON CONFLICT (namespace) DO UPDATE SET document = excluded.document,"
    " revision = excluded.revision, update_us = excluded.update_us"};
const Statement kGetPolicy = {"get_policy",
                              "SELECT namespace, document, revision, update_us FROM tracker.policy"
                              " WHERE namespace = $1::text"};
const Statement kListPolicies = {
    "list_policies",
    "SELECT namespace, document, revision, update_us FROM tracker.policy"
    " WHERE namespace > $1::text ORDER BY namespace LIMIT $2::int"};
// kBumpVersion has run before, in the same transaction.
const Statement kDeletePolicy = {
    "delete_policy",
    "WITH gone AS (DELETE FROM tracker.policy WHERE namespace = $1::text RETURNING namespace)"
    " INSERT INTO tracker.policy_gone (namespace, revision, gone_us)"
    " SELECT namespace, (SELECT value::bigint FROM tracker.meta WHERE key = 'policy_version'),"
    " " TRACKER_NOW_US
    " + $2::bigint FROM gone"
    " ON CONFLICT (namespace) DO UPDATE SET revision = excluded.revision,"
    " gone_us = excluded.gone_us"};
const Statement kNotGone = {"policy_not_gone",
                            "DELETE FROM tracker.policy_gone WHERE namespace = $1::text"};
// At least one row: the highest revision that is forgotten, then a change, with NULLs where there
// is none.
const Statement kPolicyChanges = {
    "policy_changes",
    "SELECT (SELECT value::bigint FROM tracker.meta WHERE key = 'policy_forgotten'), c.*"
    " FROM (VALUES (1)) AS one LEFT JOIN ("
    " (SELECT namespace, document, revision, update_us FROM tracker.policy"
    "  WHERE revision > $1::bigint ORDER BY revision LIMIT $2::int)"
    " UNION ALL"
    " (SELECT namespace, NULL, revision, gone_us FROM tracker.policy_gone"
    "  WHERE revision > $1::bigint ORDER BY revision LIMIT $2::int)"
    " ORDER BY revision LIMIT $2::int) c ON true"};
// $1 rows to look at, the oldest first, $2 age in microseconds.
const Statement kForgetPolicies = {
    "forget_policies",
    "WITH gone AS (DELETE FROM tracker.policy_gone WHERE namespace = ANY (ARRAY("
    " SELECT namespace FROM (SELECT namespace, gone_us FROM tracker.policy_gone"
    " ORDER BY revision LIMIT $1::int) AS oldest"
    " WHERE gone_us < (extract(epoch FROM now()) * 1000000)::bigint - $2::bigint))"
    " RETURNING revision)"
    " UPDATE tracker.meta"
    " SET value = greatest(value::bigint, (SELECT max(revision) FROM gone))::text"
    " WHERE key = 'policy_forgotten' AND EXISTS (SELECT 1 FROM gone)"};

// From the columns namespace, document, revision, update_us, of which `first` is the first.
absl::StatusOr<domain::Policy> PolicyFrom(const Rows& rows, int row, int first = 0) {
  absl::StatusOr<domain::Policy> policy = DecodePolicy(std::string(rows.Text(row, first + 1)));
  if (!policy.ok()) return policy.status();
  policy->name_space = std::string(rows.Text(row, first));
  policy->revision = rows.Int(row, first + 2);
  policy->update_time = absl::FromUnixMicros(rows.Int(row, first + 3));
  return policy;
}

absl::StatusOr<domain::Policy> TrySet(Connection& connection, const domain::Policy& policy,
                                      std::optional<int64_t> revision, absl::Duration offset) {
  absl::StatusOr<Rows> version = connection.Begin({kBumpVersion, {}});
  if (!version.ok()) return version.status();
  absl::StatusOr<Rows> state = connection.Execute({kPolicyState, {policy.name_space}});
  if (!state.ok()) return state.status();
  if (revision && *revision != state->Int(0, 1)) {
    return absl::AbortedError("the policy has changed meanwhile");
  }
  domain::Policy stored = policy;
  // Never used before, also of a policy that was deleted since.
  stored.revision = version->Int(0, 0);
  stored.update_time = absl::FromUnixMicros(state->Int(0, 0)) + offset;
  absl::Status committed =
      connection.Commit({{kSetPolicy,
                          {stored.name_space, EncodePolicy(stored), absl::StrCat(stored.revision),
                           absl::StrCat(absl::ToUnixMicros(stored.update_time))}},
                         {kNotGone, {stored.name_space}}});
  if (!committed.ok()) return committed;
  return stored;
}

}  // namespace

absl::StatusOr<domain::Policy> SetPolicy(const ReadAccess& read, const domain::Policy& policy,
                                         std::optional<int64_t> revision) {
  return read.With([&](Connection& connection) {
    absl::StatusOr<domain::Policy> stored =
        TrySet(connection, policy, revision, read.ClockOffset());
    if (!stored.ok()) connection.Rollback();
    return stored;
  });
}

absl::StatusOr<std::optional<domain::Policy>> GetPolicy(const ReadAccess& read,
                                                        const std::string& name_space) {
  absl::StatusOr<Rows> rows = read.Read({kGetPolicy, {name_space}});
  if (!rows.ok()) return rows.status();
  if (rows->size() == 0) return std::optional<domain::Policy>();
  absl::StatusOr<domain::Policy> policy = PolicyFrom(*rows, 0);
  if (!policy.ok()) return policy.status();
  return std::optional<domain::Policy>(*std::move(policy));
}

absl::StatusOr<PolicyPage> ListPolicies(const ReadAccess& read, const PolicyQuery& query) {
  // One more tells whether there is a next page.
  absl::StatusOr<Rows> rows =
      read.Read({kListPolicies, {query.after, absl::StrCat(query.limit + 1)}});
  if (!rows.ok()) return rows.status();
  PolicyPage page;
  for (int row = 0; row < rows->size(); ++row) {
    if (row == query.limit) {
      page.next = page.policies.back().name_space;
      break;
    }
    absl::StatusOr<domain::Policy> policy = PolicyFrom(*rows, row);
    if (!policy.ok()) return policy.status();
    page.policies.push_back(*std::move(policy));
  }
  return page;
}

absl::StatusOr<std::vector<PolicyChange>> ListPolicyChanges(const ReadAccess& read, int64_t since,
                                                            int limit) {
  absl::StatusOr<Rows> rows =
      read.Read({kPolicyChanges, {absl::StrCat(since), absl::StrCat(limit)}});
  if (!rows.ok()) return rows.status();
  if (rows->Int(0, 0) > since) return absl::OutOfRangeError("a deletion since then is forgotten");
  std::vector<PolicyChange> changes;
  for (int row = 0; row < rows->size(); ++row) {
    if (rows->IsNull(row, 1)) continue;
    PolicyChange change{.name_space = std::string(rows->Text(row, 1)),
                        .revision = rows->Int(row, 3)};
    if (!rows->IsNull(row, 2)) {
      absl::StatusOr<domain::Policy> policy = PolicyFrom(*rows, row, 1);
      if (!policy.ok()) return policy.status();
      change.policy = *std::move(policy);
    }
    changes.push_back(std::move(change));
  }
  return changes;
}

absl::Status DeletePolicy(const ReadAccess& read, const std::string& name_space) {
  const std::string offset = absl::StrCat(absl::ToInt64Microseconds(read.ClockOffset()));
  return read.Write({{kBumpVersion, {}}, {kDeletePolicy, {name_space, offset}}});
}

absl::Status ForgetPolicies(const ReadAccess& read) {
  const absl::Duration age = limits::kPolicyMemory - read.ClockOffset();
  return read.Write({{kForgetPolicies,
                      {absl::StrCat(kForgetRows), absl::StrCat(absl::ToInt64Microseconds(age))}}});
}

absl::StatusOr<int64_t> PolicyVersion(const ReadAccess& read) {
  absl::StatusOr<Rows> rows = read.Read({kVersion, {}});
  if (!rows.ok()) return rows.status();
  if (rows->size() == 0)
    return absl::DataLossError("the database has lost the version of the policies");
  return rows->Int(0, 0);
}

}  // namespace tracker::store::postgres
