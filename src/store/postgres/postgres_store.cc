#include "src/store/postgres/postgres_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/store/postgres/connection_pool.h"
#include "src/store/postgres/migrate.h"
#include "src/store/postgres/reader.h"
#include "src/store/postgres/writer.h"

namespace tracker::store {
namespace {

class PostgresStore : public Store {
 public:
  PostgresStore(const std::string& url, int buckets, const OpenOptions& options)
      : lanes_(std::max(1, options.writers)),
        write_pool_(url, lanes_),
        // The reaper and the health check read too, and must not wait for a page.
        read_pool_(url, std::max(1, options.readers) + 1),
        writer_(&write_pool_, buckets, options.clock_offset),
        reader_(&read_pool_, buckets, options.clock_offset) {}

  using Store::Apply;
  std::vector<domain::Outcome> Apply(absl::Span<const domain::Command* const> commands,
                                     const ApplyOptions&) override {
    return writer_.Apply(commands);
  }

  absl::StatusOr<ClaimAnswer> Claim(const ClaimQuery&) override { return Missing(); }
  absl::StatusOr<std::vector<bool>> HaveClaimable(const std::vector<std::string>&) override {
    return Missing();
  }
  absl::StatusOr<FinishedPage> ListFinished(const FinishedQuery&) override { return Missing(); }
  absl::StatusOr<ErrorGroups> GroupErrors(const ErrorGroupQuery&) override { return Missing(); }
  absl::StatusOr<CountCheck> CheckCounts() override { return Missing(); }
  absl::StatusOr<domain::Policy> SetPolicy(const domain::Policy&, std::optional<int64_t>) override {
    return Missing();
  }
  absl::StatusOr<std::optional<domain::Policy>> GetPolicy(const std::string&) override {
    return Missing();
  }
  absl::StatusOr<std::vector<domain::Policy>> ListPolicies() override { return Missing(); }
  absl::Status DeletePolicy(const std::string&) override { return Missing(); }
  absl::StatusOr<int64_t> PolicyVersion() override { return Missing(); }
  absl::StatusOr<AttemptCount> CountAttempts(const std::string&, absl::Duration,
                                             absl::Time) override {
    return Missing();
  }
  static absl::Status Missing() { return absl::UnimplementedError("not made yet"); }
  domain::Outcome Get(const domain::TaskKey& key) override { return reader_.Get(key); }
  absl::StatusOr<Page> List(const ListQuery& query) override { return reader_.List(query); }
  absl::StatusOr<std::vector<StatusCount>> Count(const std::string& name_space) override {
    return reader_.Count(name_space);
  }
  absl::StatusOr<std::vector<domain::TaskKey>> ListDue(int limit) override {
    return reader_.ListExpired(limit);
  }
  absl::Status Tidy() override { return reader_.FoldCounts(); }
  absl::Status Ping() override { return reader_.Ping(); }
  int WriterLanes() const override { return lanes_; }

 private:
  const int lanes_;
  postgres::ConnectionPool write_pool_;
  postgres::ConnectionPool read_pool_;
  postgres::Writer writer_;
  postgres::Reader reader_;
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

absl::Status CannotOpen(const std::string& url, const absl::Status& why, absl::string_view what) {
  return absl::Status(why.code(), absl::StrCat("the store ", WithoutPassword(url),
                                               " cannot be opened: ", why.message(), what));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenPostgres(const std::string& url,
                                                    const OpenOptions& options) {
  absl::StatusOr<std::unique_ptr<postgres::Connection>> connection =
      postgres::Connection::Open(url);
  if (!connection.ok()) {
    return CannotOpen(url, connection.status(),
                      "; check that PostgreSQL runs there, and the URL's host, port, user and"
                      " database");
  }
  if (absl::Status status = CheckEncoding(**connection); !status.ok()) {
    return CannotOpen(url, status, "");
  }
  if (absl::Status status = postgres::Migrate(**connection, options.migrate); !status.ok()) {
    return CannotOpen(url, status, "");
  }
  absl::StatusOr<int> buckets = postgres::ReadBuckets(**connection);
  if (!buckets.ok()) return CannotOpen(url, buckets.status(), "");
  return std::make_unique<PostgresStore>(url, *buckets, options);
}

}  // namespace tracker::store
