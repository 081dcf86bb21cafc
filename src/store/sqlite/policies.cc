#include "src/store/sqlite/policies.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/limits.h"
#include "src/store/policy_json.h"

namespace tracker::store::sqlite {
namespace {

using domain::Policy;

// Of the columns namespace, revision, update_us, policy.
absl::StatusOr<Policy> ReadPolicy(const Statement& row) {
  absl::StatusOr<Policy> policy = DecodePolicy(row.Text(3));
  if (!policy.ok()) {
    return absl::DataLossError(
        absl::StrCat("namespace '", row.Text(0), "': ", policy.status().message()));
  }
  policy->name_space = row.Text(0);
  policy->revision = row.Int(1);
  policy->update_time = absl::FromUnixMicros(row.Int(2));
  return policy;
}

// 0: there is no policy.
absl::StatusOr<int64_t> RevisionOf(Connection& connection, const std::string& name_space) {
  absl::StatusOr<Statement> select =
      connection.Prepare("SELECT revision FROM policy WHERE namespace = ?");
  if (!select.ok()) return select.status();
  const absl::StatusOr<bool> row = select->Bind(name_space).Step();
  if (!row.ok()) return row.status();
  return *row ? select->Int(0) : 0;
}

absl::StatusOr<int64_t> NextVersion(Connection& connection) {
  absl::StatusOr<Statement> grow =
      connection.Prepare("UPDATE policy_version SET version = version + 1");
  if (!grow.ok()) return grow.status();
  if (absl::Status status = grow->Run(); !status.ok()) return status;
  return PolicyVersion(connection);
}

absl::Status CheckRoom(Connection& connection) {
  const absl::StatusOr<int64_t> count = connection.QueryInt("SELECT count(*) FROM policy");
  if (!count.ok()) return count.status();
  if (*count < limits::kPolicies) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("there are ", *count, " policies, which is as many as there may be"));
}

}  // namespace

absl::StatusOr<Policy> SetPolicy(Connection& connection, Policy policy,
                                 std::optional<int64_t> revision, absl::Time now) {
  const absl::StatusOr<int64_t> stored = RevisionOf(connection, policy.name_space);
  if (!stored.ok()) return stored.status();
  if (revision && *revision != *stored) {
    return absl::AbortedError(
        absl::StrCat("the policy has changed: its revision is ", *stored, ", not ", *revision));
  }
  if (*stored == 0) {
    if (absl::Status room = CheckRoom(connection); !room.ok()) return room;
  }
  const absl::StatusOr<int64_t> version = NextVersion(connection);
  if (!version.ok()) return version.status();
  policy.revision = *version;
  policy.update_time = now;
  const std::string json = EncodePolicy(policy);
  absl::StatusOr<Statement> set = connection.Prepare(
      "INSERT OR REPLACE INTO policy (namespace, revision, update_us, policy) VALUES (?, ?, ?, ?)");
  if (!set.ok()) return set.status();
  set->Bind(policy.name_space).Bind(policy.revision).Bind(absl::ToUnixMicros(now)).Bind(json);
  if (absl::Status status = set->Run(); !status.ok()) return status;
  return policy;
}

absl::StatusOr<std::optional<Policy>> GetPolicy(Connection& connection,
                                                const std::string& name_space) {
  absl::StatusOr<Statement> select = connection.Prepare(
      "SELECT namespace, revision, update_us, policy FROM policy WHERE namespace = ?");
  if (!select.ok()) return select.status();
  const absl::StatusOr<bool> row = select->Bind(name_space).Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::nullopt;
  absl::StatusOr<Policy> policy = ReadPolicy(*select);
  if (!policy.ok()) return policy.status();
  return *std::move(policy);
}

absl::StatusOr<std::vector<Policy>> ListPolicies(Connection& connection) {
  absl::StatusOr<Statement> select = connection.Prepare(
      "SELECT namespace, revision, update_us, policy FROM policy ORDER BY namespace");
  if (!select.ok()) return select.status();
  std::vector<Policy> policies;
  while (true) {
    const absl::StatusOr<bool> row = select->Step();
    if (!row.ok()) return row.status();
    if (!*row) return policies;
    absl::StatusOr<Policy> policy = ReadPolicy(*select);
    if (!policy.ok()) return policy.status();
    policies.push_back(*std::move(policy));
  }
}

absl::Status DeletePolicy(Connection& connection, const std::string& name_space) {
  const absl::StatusOr<int64_t> stored = RevisionOf(connection, name_space);
  if (!stored.ok() || *stored == 0) return stored.status();
  absl::StatusOr<Statement> gone = connection.Prepare("DELETE FROM policy WHERE namespace = ?");
  if (!gone.ok()) return gone.status();
  if (absl::Status status = gone->Bind(name_space).Run(); !status.ok()) return status;
  return NextVersion(connection).status();
}

absl::StatusOr<int64_t> PolicyVersion(Connection& connection) {
  absl::StatusOr<Statement> select = connection.Prepare("SELECT version FROM policy_version");
  if (!select.ok()) return select.status();
  const absl::StatusOr<bool> row = select->Step();
  if (!row.ok()) return row.status();
  if (!*row) return absl::DataLossError("the table policy_version is empty");
  return select->Int(0);
}

}  // namespace tracker::store::sqlite
