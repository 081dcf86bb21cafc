#include "src/service/tracker.h"

#include <xxhash.h>

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/service/lane.h"
#include "src/service/page_token.h"
#include "src/service/periodic.h"
#include "src/service/read_pool.h"
#include "src/service/reaper.h"
#include "src/service/write_call.h"

namespace tracker::service {
namespace {

using domain::Reason;

// Counter rows pile up by a few a commit; a second's worth costs a Count little.
constexpr absl::Duration kFoldInterval = absl::Seconds(1);

absl::Status StatusOf(Reason reason) {
  const std::string message = Refusal(reason).message;
  switch (reason) {
    case Reason::kOverloaded: return absl::ResourceExhaustedError(message);
    case Reason::kDeadlineExceeded: return absl::DeadlineExceededError(message);
    case Reason::kCancelled: return absl::CancelledError(message);
    default: return absl::UnavailableError(message);
  }
}

}  // namespace

class Tracker::Impl {
 public:
  Impl(std::unique_ptr<store::Store> store, TrackerOptions options)
      : store_(std::move(store)), options_(std::move(options)), reads_(options_.readers) {
    const int lanes = options_.lanes > 0 ? options_.lanes : store_->WriterLanes();
    LaneOptions lane_options;
    lane_options.queue_commands = options_.lane_queue_commands;
    lane_options.queue_bytes = options_.lane_queue_bytes;
    lane_options.on_unavailable = [this] { monitor_->Nudge(); };
    monitor_.emplace(options_.ping_interval, [this] { return CheckHealth(); });
    for (int i = 0; i < lanes; ++i) {
      lanes_.push_back(std::make_unique<Lane>(store_.get(), lane_options));
    }
    reaper_.emplace(options_.reap_interval, [this] { return Reap(); });
    folder_.emplace(kFoldInterval, [this] {
      (void)store_->Tidy();  // A database that is away is the monitor's to tell.
      return false;
    });
  }

  void Write(std::vector<domain::Command> commands, CallContext context, OutcomesCallback done) {
    if (commands.empty()) return done({});
    auto call = std::make_shared<WriteCall>(commands.size(), std::move(context), std::move(done));
    if (commands.size() == 1) {
      Lane& lane = LaneOf(commands[0].key.id);
      std::vector<Lane::Entry> entries;
      entries.push_back({std::move(commands[0]), std::move(call), 0});
      return lane.Enqueue(std::move(entries));
    }
    std::vector<std::vector<Lane::Entry>> parts(lanes_.size());
    for (size_t i = 0; i < commands.size(); ++i) {
      parts[LaneIndex(commands[i].key.id)].push_back({std::move(commands[i]), call, i});
    }
    for (size_t i = 0; i < parts.size(); ++i) {
      if (!parts[i].empty()) lanes_[i]->Enqueue(std::move(parts[i]));
    }
  }

  void Get(domain::TaskKey key, CallContext context, OutcomeCallback done) {
    reads_.Submit(std::move(context),
                  [this, key = std::move(key), done = std::move(done)](Reason reason) mutable {
                    done(reason == Reason::kOk ? store_->Get(key) : Refusal(reason));
                  });
  }

  void List(ListRequest request, CallContext context, ListCallback done) {
    if (!request.page_token.empty()) {
      absl::StatusOr<store::Cursor> cursor = DecodePageToken(request.query, request.page_token);
      if (!cursor.ok()) return done(cursor.status());
      request.query.after = *std::move(cursor);
    }
    reads_.Submit(std::move(context), [this, query = std::move(request.query),
                                       done = std::move(done)](Reason reason) mutable {
      if (reason != Reason::kOk) return done(StatusOf(reason));
      absl::StatusOr<store::Page> page = store_->List(query);
      if (!page.ok()) return done(page.status());
      ListAnswer answer{.tasks = std::move(page->tasks), .now = page->now};
      if (page->next) answer.next_page_token = EncodePageToken(query, *page->next);
      done(std::move(answer));
    });
  }

  void Count(std::string name_space, CallContext context, CountCallback done) {
    reads_.Submit(std::move(context), [this, name_space = std::move(name_space),
                                       done = std::move(done)](Reason reason) mutable {
      if (reason != Reason::kOk) return done(StatusOf(reason));
      absl::StatusOr<std::vector<store::StatusCount>> counts = store_->Count(name_space);
      if (!counts.ok()) return done(counts.status());
      done(CountAnswer{*std::move(counts)});
    });
  }

  bool healthy() const { return healthy_.load() == Health::kGood; }

  void Stop() {
    for (std::unique_ptr<Lane>& lane : lanes_) lane->Stop();
    reads_.Stop();
    reaper_->Stop();
    folder_->Stop();
    monitor_->Stop();
  }

 private:
  enum class Health { kUnknown, kGood, kBad };

  size_t LaneIndex(const std::string& id) const {
    return XXH3_64bits(id.data(), id.size()) % lanes_.size();
  }
  Lane& LaneOf(const std::string& id) { return *lanes_[LaneIndex(id)]; }

  bool CheckHealth() {
    const Health now = store_->Ping().ok() ? Health::kGood : Health::kBad;
    if (healthy_.exchange(now) != now && options_.on_health) {
      options_.on_health(now == Health::kGood);
    }
    return false;
  }

  bool Reap() {
    const absl::StatusOr<int> ended = ReapOnce(*store_, limits::kReapBatch);
    return ended.ok() && *ended == limits::kReapBatch;
  }

  const std::unique_ptr<store::Store> store_;
  const TrackerOptions options_;
  std::atomic<Health> healthy_{Health::kUnknown};
  ReadPool reads_;
  std::optional<Periodic> monitor_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::optional<Periodic> reaper_;
  std::optional<Periodic> folder_;
};

Tracker::Tracker(std::unique_ptr<store::Store> store, TrackerOptions options)
    : impl_(std::make_unique<Impl>(std::move(store), std::move(options))) {}

Tracker::~Tracker() { Stop(); }

void Tracker::Write(std::vector<domain::Command> commands, CallContext context,
                    OutcomesCallback done) {
  impl_->Write(std::move(commands), std::move(context), std::move(done));
}

void Tracker::Get(domain::TaskKey key, CallContext context, OutcomeCallback done) {
  impl_->Get(std::move(key), std::move(context), std::move(done));
}

void Tracker::List(ListRequest request, CallContext context, ListCallback done) {
  impl_->List(std::move(request), std::move(context), std::move(done));
}

void Tracker::Count(std::string name_space, CallContext context, CountCallback done) {
  impl_->Count(std::move(name_space), std::move(context), std::move(done));
}

void Tracker::Claim(ClaimRequest, CallContext, ClaimCallback) {}
void Tracker::GiveBack(std::vector<domain::Task>) {}
void Tracker::SetPolicy(domain::Policy, CallContext, PolicyCallback) {}
void Tracker::GetPolicy(std::string, CallContext, PolicyCallback) {}
void Tracker::ListPolicies(CallContext, PoliciesCallback) {}
void Tracker::DeletePolicy(std::string, CallContext, StatusCallback) {}
void Tracker::GroupErrors(store::ErrorGroupQuery, CallContext, GroupsCallback) {}
void Tracker::CheckCounts(CallContext, CheckCallback) {}
void Tracker::BulkUpdate(BulkRequest, CallContext, ProgressCallback, JobCallback) {}
void Tracker::ExpireAll(bool, CallContext, ProgressCallback, JobCallback) {}
void Tracker::PurgeAll(std::string, bool, CallContext, ProgressCallback, JobCallback) {}

bool Tracker::healthy() const { return impl_->healthy(); }

void Tracker::Stop() { impl_->Stop(); }

}  // namespace tracker::service
