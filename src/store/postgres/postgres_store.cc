#include "src/store/postgres/postgres_store.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "src/base/limits.h"
#include "src/store/postgres/check.h"
#include "src/store/postgres/claimer.h"
#include "src/store/postgres/connection_pool.h"
#include "src/store/postgres/connection_settings.h"
#include "src/store/postgres/count_folder.h"
#include "src/store/postgres/counters.h"
#include "src/store/postgres/latest_history.h"
#include "src/store/postgres/list.h"
#include "src/store/postgres/migrate.h"
#include "src/store/postgres/policies.h"
#include "src/store/postgres/read.h"
#include "src/store/postgres/reader.h"
#include "src/store/postgres/silence_watch.h"
#include "src/store/postgres/vacuum.h"
#include "src/store/postgres/writer.h"

namespace tracker::store {
namespace {

// Claims of two namespaces may be on their way at once, and the look for those that wait.
constexpr int kClaimers = 3;
// Of the threads that write policies or read them for all, besides the readers: one, as the policy
// cache does one thing at a time; and the breaker.
constexpr int kPolicies = 2;
// The reaper, the purge, the folder and the vacuum.
constexpr int kUpkeep = 4;
constexpr int kHealth = 1;
// Steps of Tidy.
constexpr int kForgetPoliciesEvery = 60;

class PostgresStore : public Store {
 public:
  PostgresStore(const postgres::ConnectionSettings& settings, int buckets,
                const OpenOptions& options)
      : lanes_(std::max(1, options.writers)),
        write_pool_(settings, lanes_),
        claim_pool_(settings, kClaimers),
        // A job counts before it begins.
        read_pool_(settings, std::max(1, options.readers) + kPolicies + limits::kJobs),
        upkeep_pool_(settings, kUpkeep),
        job_pool_(settings, limits::kJobs),
        health_pool_(settings, kHealth),
        writer_(&write_pool_, buckets, options.clock_offset),
        claim_writer_(&claim_pool_, buckets, options.clock_offset),
        upkeep_writer_(&upkeep_pool_, buckets, options.clock_offset),
        job_writer_(&job_pool_, buckets, options.clock_offset),
        claimer_(postgres::ReadAccess(&claim_pool_, buckets, options.clock_offset), &claim_writer_),
        read_(&read_pool_, buckets, options.clock_offset),
        upkeep_(&upkeep_pool_, buckets, options.clock_offset),
        jobs_(&job_pool_, buckets, options.clock_offset),
        health_(&health_pool_, buckets, options.clock_offset),
        vacuumer_(&upkeep_, options.on_event) {}

  using Store::Apply;
  std::vector<domain::Outcome> Apply(absl::Span<const domain::Command* const> commands,
                                     const ApplyOptions& options) override {
    return WriterOf(options.purpose).Apply(commands, options);
  }
  absl::StatusOr<ClaimAnswer> Claim(const ClaimQuery& query) override {
    return claimer_.Claim(query);
  }
  absl::StatusOr<std::vector<bool>> HaveClaimable(
      const std::vector<std::string>& name_spaces) override {
    return claimer_.HaveClaimable(name_spaces);
  }
  domain::Outcome Get(const domain::TaskKey& key) override { return postgres::Get(read_, key); }
  absl::StatusOr<Page> List(const ListQuery& query) override {
    return postgres::List(AccessOf(query.purpose), query);
  }
  using Store::Count;
  absl::StatusOr<CountPage> Count(const CountQuery& query) override {
    return postgres::Count(read_, query);
  }
  absl::StatusOr<std::vector<domain::TaskKey>> ListDue(const DueQuery& query) override {
    return postgres::ListDue(AccessOf(query.purpose), query);
  }
  absl::StatusOr<FinishedPage> ListFinished(const FinishedQuery& query) override {
    return postgres::ListFinished(AccessOf(query.purpose), query);
  }
  absl::StatusOr<ErrorGroups> GroupErrors(const ErrorGroupQuery& query,
                                          const GoOn& go_on) override {
    return postgres::GroupErrors(jobs_, query, go_on);
  }
  absl::StatusOr<CountCheck> CheckCounts(const GoOn& go_on) override {
    return postgres::CheckCounts(jobs_, go_on);
  }
  absl::StatusOr<CheckReport> Check(const CheckOptions& options) override {
    return postgres::Check(jobs_, options);
  }
  absl::StatusOr<domain::Policy> SetPolicy(const domain::Policy& policy,
                                           std::optional<int64_t> revision) override {
    return postgres::SetPolicy(read_, policy, revision);
  }
  absl::StatusOr<std::optional<domain::Policy>> GetPolicy(const std::string& name_space) override {
    return postgres::GetPolicy(read_, name_space);
  }
  using Store::ListPolicies;
  absl::StatusOr<PolicyPage> ListPolicies(const PolicyQuery& query) override {
    return postgres::ListPolicies(read_, query);
  }
  absl::StatusOr<std::vector<PolicyChange>> ListPolicyChanges(int64_t since, int limit) override {
    return postgres::ListPolicyChanges(read_, since, limit);
  }
  absl::Status DeletePolicy(const std::string& name_space) override {
    return postgres::DeletePolicy(read_, name_space);
  }
  absl::StatusOr<int64_t> PolicyVersion() override { return postgres::PolicyVersion(read_); }
  using Store::CountAttempts;
  absl::StatusOr<std::vector<AttemptCount>> CountAttempts(
      const std::vector<AttemptQuery>& queries) override {
    return postgres::CountAttempts(read_, queries);
  }
  absl::StatusOr<std::vector<std::string>> ListAttempted(const std::string& after,
                                                         int limit) override {
    return postgres::ListAttempted(read_, after, limit);
  }
  absl::Status Tidy() override {
    if (absl::Status status = folder_.Step(upkeep_); !status.ok()) return status;
    // Deletions of policies pile up slowly.
    if (tidied_.fetch_add(1) % kForgetPoliciesEvery == 0) {
      if (absl::Status status = postgres::ForgetPolicies(upkeep_); !status.ok()) return status;
    }
    return postgres::Tidy(upkeep_);
  }
  absl::Status Vacuum(const GoOn& go_on) override { return vacuumer_.Run(go_on); }
  absl::Status Ping() override { return postgres::Ping(health_); }
  int WriterLanes() const override { return lanes_; }

 private:
  const postgres::ReadAccess& AccessOf(Purpose purpose) const {
    switch (purpose) {
      case Purpose::kUpkeep: return upkeep_;
      case Purpose::kJob: return jobs_;
      default: return read_;
    }
  }
  postgres::Writer& WriterOf(Purpose purpose) {
    switch (purpose) {
      case Purpose::kUpkeep: return upkeep_writer_;
      case Purpose::kJob: return job_writer_;
      default: return writer_;
    }
  }

  const int lanes_;
  // Each has as many connections as there are threads that use it at once: so nobody waits for
  // another's statement, and nothing that an operator starts keeps upkeep or health waiting.
  postgres::ConnectionPool write_pool_;
  postgres::ConnectionPool claim_pool_;
  postgres::ConnectionPool read_pool_;
  postgres::ConnectionPool upkeep_pool_;
  postgres::ConnectionPool job_pool_;
  postgres::ConnectionPool health_pool_;
  postgres::Writer writer_;
  // Renews what repeated claims hold, on the connections of claims.
  postgres::Writer claim_writer_;
  postgres::Writer upkeep_writer_;
  postgres::Writer job_writer_;
  postgres::Claimer claimer_;
  postgres::ReadAccess read_;
  postgres::ReadAccess upkeep_;
  postgres::ReadAccess jobs_;
  postgres::ReadAccess health_;
  postgres::Vacuumer vacuumer_;
  postgres::CountFolder folder_;
  std::atomic<int> tidied_{0};
};

const postgres::Statement kEncoding = {"encoding", "SELECT current_setting('server_encoding')"};

// Others cannot hold every id.
absl::Status CheckEncoding(postgres::Connection& connection) {
  absl::StatusOr<postgres::Rows> rows = connection.Execute({kEncoding, {}});
  if (!rows.ok()) return rows.status();
  const absl::string_view encoding = rows->Text(0, 0);
  if (encoding == "UTF8" || encoding == "SQL_ASCII") return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the database's encoding is ", encoding,
                   "; name one that was made with ENCODING 'UTF8' (and TEMPLATE template0)"));
}

// Whoever starts the server may see what the database said.
absl::Status CannotOpen(const postgres::ConnectionSettings& settings, const absl::Status& why,
                        absl::string_view what) {
  const std::string said = postgres::WithoutSecrets(settings, ForLog(why));
  return absl::Status(
      why.code(), absl::StrCat("the store ", settings.shown, " cannot be opened: ", said, what));
}

}  // namespace

bool IsPostgres(const std::string& url) { return postgres::NamesPostgres(url); }

std::string PostgresWithoutPassword(const std::string& url) {
  absl::StatusOr<postgres::ConnectionSettings> settings = postgres::ParseConnectionSettings(url);
  if (settings.ok()) return std::move(settings->shown);
  return absl::StrContains(url, "://") && absl::StartsWith(url, "postgres") ? "postgresql://***"
                                                                            : "***";
}

absl::StatusOr<std::unique_ptr<Store>> OpenPostgres(const std::string& url,
                                                    const OpenOptions& options) {
  absl::StatusOr<postgres::ConnectionSettings> settings = postgres::ParseConnectionSettings(url);
  if (!settings.ok()) {
    return absl::Status(settings.status().code(),
                        absl::StrCat("the store ", PostgresWithoutPassword(url),
                                     " cannot be read: ", settings.status().message()));
  }
  // What goes wrong here is answered, and not told besides: on_event comes later.
  absl::StatusOr<std::unique_ptr<postgres::Connection>> connection =
      postgres::Connection::Open(*settings);
  if (!connection.ok()) {
    return CannotOpen(*settings, connection.status(),
                      "; check that PostgreSQL runs there, and the URL's host, port, user and"
                      " database");
  }
  if (absl::Status status = CheckEncoding(**connection); !status.ok()) {
    return CannotOpen(*settings, status, "");
  }
  if (absl::Status status = postgres::Migrate(**connection, options.migrate); !status.ok()) {
    return CannotOpen(*settings, status, "");
  }
  absl::StatusOr<int> buckets = postgres::ReadBuckets(**connection);
  if (!buckets.ok()) return CannotOpen(*settings, buckets.status(), "");
  settings->on_event = options.on_event;
  settings->latest_history = std::make_shared<postgres::LatestHistory>();
  settings->silence_watch = std::make_shared<postgres::SilenceWatch>(options.on_event);
  return std::make_unique<PostgresStore>(*settings, *buckets, options);
}

}  // namespace tracker::store
