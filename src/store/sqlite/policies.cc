#include "src/store/sqlite/policies.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/limits.h"
#include "src/store/policy_json.h"

namespace tracker::store::sqlite {
namespace {

using domain::Policy;

// Deletions that one step forgets.
constexpr int64_t kForgetRows = 1000;

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

absl::Status Run(Connection& connection, absl::string_view sql, const std::string& name_space) {
  absl::StatusOr<Statement> statement = connection.Prepare(sql);
  return statement.ok() ? statement->Bind(name_space).Run() : statement.status();
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
  const absl::StatusOr<int64_t> version = NextVersion(connection);
  if (!version.ok()) return version.status();
  policy.revision = *version;
  policy.update_time = now;
  const std::string json = EncodePolicy(policy);
  absl::StatusOr<Statement> set = connection.Prepare(
      "INSERT OR REPLACE INTO policy (namespace, revision, update_us, policy) VALUES (?, ?, ?, ?)");
  if (!set.ok()) return set.status();
  set->Bind(policy.name_space).Bind(policy.revision).Bind(absl::ToUnixMicros(now)).Bind(json);
  absl::Status status = set->Run();
  if (status.ok()) {
    status = Run(connection, "DELETE FROM policy_gone WHERE namespace = ?", policy.name_space);
  }
  if (!status.ok()) return status;
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

absl::StatusOr<PolicyPage> ListPolicies(Connection& connection, const PolicyQuery& query) {
  absl::StatusOr<Statement> select = connection.Prepare(
      "SELECT namespace, revision, update_us, policy FROM policy WHERE namespace > ? "
      "ORDER BY namespace LIMIT ?");
  if (!select.ok()) return select.status();
  // One more tells whether there is a next page.
  select->Bind(query.after).Bind(int64_t{query.limit} + 1);
  PolicyPage page;
  while (true) {
    const absl::StatusOr<bool> row = select->Step();
    if (!row.ok()) return row.status();
    if (!*row) return page;
    if (static_cast<int>(page.policies.size()) == query.limit) {
      page.next = page.policies.back().name_space;
      return page;
    }
    absl::StatusOr<Policy> policy = ReadPolicy(*select);
    if (!policy.ok()) return policy.status();
    page.policies.push_back(*std::move(policy));
  }
}

absl::StatusOr<std::vector<PolicyChange>> ListPolicyChanges(Connection& connection, int64_t since,
                                                            int limit) {
  // One snapshot for both.
  const absl::StatusOr<Transaction> snapshot = Transaction::BeginRead(connection);
  if (!snapshot.ok()) return snapshot.status();
  const absl::StatusOr<int64_t> forgotten =
      connection.QueryInt("SELECT forgotten FROM policy_version");
  if (!forgotten.ok()) return forgotten.status();
  if (*forgotten > since) return absl::OutOfRangeError("a deletion since then is forgotten");
  absl::StatusOr<Statement> select = connection.Prepare(
      "SELECT namespace, revision, update_us, policy FROM policy WHERE revision > ?1 UNION ALL "
      "SELECT namespace, revision, gone_us, '' FROM policy_gone WHERE revision > ?1 "
      "ORDER BY revision LIMIT ?2");
  if (!select.ok()) return select.status();
  select->Bind(since).Bind(int64_t{limit});
  std::vector<PolicyChange> changes;
  while (true) {
    const absl::StatusOr<bool> row = select->Step();
    if (!row.ok()) return row.status();
    if (!*row) return changes;
    PolicyChange change{.name_space = select->Text(0), .revision = select->Int(1)};
    if (!select->Text(3).empty()) {
      absl::StatusOr<Policy> policy = ReadPolicy(*select);
      if (!policy.ok()) return policy.status();
      change.policy = *std::move(policy);
    }
    changes.push_back(std::move(change));
  }
}

absl::Status DeletePolicy(Connection& connection, const std::string& name_space, absl::Time now) {
  const absl::StatusOr<int64_t> stored = RevisionOf(connection, name_space);
  if (!stored.ok() || *stored == 0) return stored.status();
  absl::Status status = Run(connection, "DELETE FROM policy WHERE namespace = ?", name_space);
  if (!status.ok()) return status;
  const absl::StatusOr<int64_t> version = NextVersion(connection);
  if (!version.ok()) return version.status();
  absl::StatusOr<Statement> remember =
      connection.Prepare("INSERT OR REPLACE INTO policy_gone VALUES (?, ?, ?)");
  if (!remember.ok()) return remember.status();
  return remember->Bind(name_space).Bind(*version).Bind(absl::ToUnixMicros(now)).Run();
}

absl::Status ForgetPolicies(Connection& connection, absl::Time before) {
  for (const absl::string_view sql :
       {"UPDATE policy_version SET forgotten = max(forgotten, coalesce((SELECT max(revision) FROM "
        "(SELECT revision, gone_us FROM policy_gone ORDER BY revision LIMIT ?2) "
        "WHERE gone_us < ?1), 0)) WHERE EXISTS (SELECT 1 FROM (SELECT gone_us FROM policy_gone "
        "ORDER BY revision LIMIT ?2) WHERE gone_us < ?1)",
        "DELETE FROM policy_gone WHERE gone_us < ?1 AND namespace IN "
        "(SELECT namespace FROM policy_gone ORDER BY revision LIMIT ?2)"}) {
    absl::StatusOr<Statement> statement = connection.Prepare(sql);
    if (!statement.ok()) return statement.status();
    statement->Bind(absl::ToUnixMicros(before)).Bind(kForgetRows);
    if (absl::Status status = statement->Run(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> PolicyVersion(Connection& connection) {
  absl::StatusOr<Statement> select = connection.Prepare("SELECT version FROM policy_version");
  if (!select.ok()) return select.status();
  const absl::StatusOr<bool> row = select->Step();
  if (!row.ok()) return row.status();
  if (!*row) return absl::DataLossError("the database has lost the version of the policies");
  return select->Int(0);
}

}  // namespace tracker::store::sqlite
