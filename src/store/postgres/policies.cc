#include "src/store/postgres/policies.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/limits.h"
#include "src/store/policy_json.h"
#include "src/store/postgres/statements.h"

namespace tracker::store::postgres {
namespace {

// Locks the version's row: so changes of policies come one after another.
const Statement kBumpVersion = {
    "bump_policy_version",
    "UPDATE tracker.meta SET value = (value::bigint + 1)::text WHERE key = 'policy_version'"
    " RETURNING value"};
const Statement kVersion = {"policy_version",
                            "SELECT value FROM tracker.meta WHERE key = 'policy_version'"};
const Statement kPolicyState = {
    "policy_state", "SELECT " TRACKER_NOW_US
                    ", (SELECT count(*) FROM tracker.policy),"
                    " (SELECT revision FROM tracker.policy WHERE namespace = $1::text)"};
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
    " ORDER BY namespace LIMIT $1::int"};
const Statement kDeletePolicy = {"delete_policy",
                                 "DELETE FROM tracker.policy WHERE namespace = $1::text"};

absl::StatusOr<domain::Policy> PolicyFrom(const Rows& rows, int row) {
  absl::StatusOr<domain::Policy> policy = DecodePolicy(std::string(rows.Text(row, 1)));
  if (!policy.ok()) return policy.status();
  policy->name_space = std::string(rows.Text(row, 0));
  policy->revision = rows.Int(row, 2);
  policy->update_time = absl::FromUnixMicros(rows.Int(row, 3));
  return policy;
}

absl::StatusOr<domain::Policy> TrySet(Connection& connection, const domain::Policy& policy,
                                      std::optional<int64_t> revision, absl::Duration offset) {
  absl::StatusOr<Rows> version = connection.Begin({kBumpVersion, {}});
  if (!version.ok()) return version.status();
  absl::StatusOr<Rows> state = connection.Execute({kPolicyState, {policy.name_space}});
  if (!state.ok()) return state.status();
  const bool exists = !state->IsNull(0, 2);
  if (revision && *revision != state->Int(0, 2)) {
    return absl::AbortedError("the policy has changed meanwhile");
  }
  if (!exists && state->Int(0, 1) >= limits::kPolicies) {
    return absl::ResourceExhaustedError(
        absl::StrCat("there are ", limits::kPolicies, " policies already; delete some"));
  }
  domain::Policy stored = policy;
  // Never used before, also of a policy that was deleted since.
  stored.revision = version->Int(0, 0);
  stored.update_time = absl::FromUnixMicros(state->Int(0, 0)) + offset;
  absl::Status committed =
      connection.Commit({{kSetPolicy,
                          {stored.name_space, EncodePolicy(stored), absl::StrCat(stored.revision),
                           absl::StrCat(absl::ToUnixMicros(stored.update_time))}}});
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

absl::StatusOr<std::vector<domain::Policy>> ListPolicies(const ReadAccess& read) {
  absl::StatusOr<Rows> rows = read.Read({kListPolicies, {absl::StrCat(limits::kPolicies)}});
  if (!rows.ok()) return rows.status();
  std::vector<domain::Policy> policies;
  for (int row = 0; row < rows->size(); ++row) {
    absl::StatusOr<domain::Policy> policy = PolicyFrom(*rows, row);
    if (!policy.ok()) return policy.status();
    policies.push_back(*std::move(policy));
  }
  return policies;
}

absl::Status DeletePolicy(const ReadAccess& read, const std::string& name_space) {
  return read.Write({{kBumpVersion, {}}, {kDeletePolicy, {name_space}}});
}

absl::StatusOr<int64_t> PolicyVersion(const ReadAccess& read) {
  absl::StatusOr<Rows> rows = read.Read({kVersion, {}});
  if (!rows.ok()) return rows.status();
  if (rows->size() == 0) return absl::FailedPreconditionError("tracker.meta has no policy_version");
  return rows->Int(0, 0);
}

}  // namespace tracker::store::postgres
