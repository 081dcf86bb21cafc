#include "src/service/tracker.h"

#include <utility>

#include "src/service/bulk_job.h"
#include "src/service/claim_desk.h"
#include "src/service/give_back_queue.h"
#include "src/service/job_pool.h"
#include "src/service/job_run.h"
#include "src/service/lanes.h"
#include "src/service/policy_cache.h"
#include "src/service/reads.h"
#include "src/service/upkeep.h"
#include "src/service/upkeep_jobs.h"

namespace tracker::service {

class Tracker::Impl {
 public:
  Impl(std::unique_ptr<store::Store> store, TrackerOptions options)
      : store_(std::move(store)),
        options_(std::move(options)),
        policies_(store_.get(), [this](const std::string& name_space) { Wake(name_space); }),
        lanes_(store_.get(), options_.lanes > 0 ? options_.lanes : store_->WriterLanes(),
               OptionsOfLanes()),
        give_back_(&lanes_),
        desk_(store_.get(), &policies_, OptionsOfDesk()),
        reads_(store_.get(), &policies_, options_.readers),
        upkeep_(store_.get(), &policies_, &give_back_, options_, OptionsOfReaper()) {}

  Lanes& lanes() { return lanes_; }
  ClaimDesk& desk() { return desk_; }
  GiveBackQueue& give_back() { return give_back_; }
  Reads& reads() { return reads_; }
  bool healthy() const { return upkeep_.healthy(); }

  // Runs `job`, which answers its status, on a thread of the pool.
  template <typename Job>
  void Submit(CallContext context, ProgressCallback progress, JobCallback done, Job job) {
    auto ended = std::make_shared<JobCallback>(std::move(done));
    JobPool::Job submitted = [ended, progress = std::move(progress),
                              job = std::move(job)](JobControl& control) mutable {
      JobRun run(&control, std::move(progress));
      absl::Status status = job(run);
      (*ended)(std::move(status), run.progress);
    };
    absl::Status refused = jobs_.Submit(std::move(context), submitted);
    if (!refused.ok()) (*ended)(std::move(refused), {});
  }

  void BulkUpdate(BulkRequest request, CallContext context, ProgressCallback progress,
                  JobCallback done) {
    Submit(std::move(context), std::move(progress), std::move(done),
           [this, request = std::move(request)](JobRun& run) mutable {
             const auto write = [this](std::vector<domain::Command> commands) {
               return lanes_.WriteAndWait(std::move(commands));
             };
             return BulkJob(store_.get(), write, std::move(request)).Run(run);
           });
  }

  void ExpireAll(bool dry_run, CallContext context, ProgressCallback progress, JobCallback done) {
    Submit(std::move(context), std::move(progress), std::move(done), [this, dry_run](JobRun& run) {
      absl::Status status = run.Persist([this] { return policies_.Refresh(); });
      if (!status.ok()) return status;
      return RunExpire(*store_, OptionsOfReaper(), dry_run, run);
    });
  }

  void PurgeAll(std::string name_space, bool dry_run, CallContext context,
                ProgressCallback progress, JobCallback done) {
    Submit(std::move(context), std::move(progress), std::move(done),
           [this, name_space = std::move(name_space), dry_run](JobRun& run) {
             absl::Status status = run.Persist([this] { return policies_.Refresh(); });
             if (!status.ok()) return status;
             return RunPurge(*store_, policies_, name_space, dry_run, run);
           });
  }

  // `ask`, which answers what `done` takes, on a thread of the pool: it reads much, which would
  // keep one of the few readers for long. It is given what to ask whether to go on.
  template <typename Done, typename Ask>
  void SubmitAsk(CallContext context, Done done, Ask ask) {
    auto ended = std::make_shared<Done>(std::move(done));
    JobPool::Job job = [ended, ask = std::move(ask)](JobControl& control) {
      (*ended)(ask([&control] { return control.Check(); }));
    };
    absl::Status refused = jobs_.Submit(std::move(context), job);
    if (!refused.ok()) (*ended)(std::move(refused));
  }

  void GroupErrors(store::ErrorGroupQuery query, CallContext context, GroupsCallback done) {
    SubmitAsk(std::move(context), std::move(done),
              [this, query = std::move(query)](const store::GoOn& go_on) {
                return store_->GroupErrors(query, go_on);
              });
  }

  void CheckCounts(CallContext context, CheckCallback done) {
    SubmitAsk(std::move(context), std::move(done),
              [this](const store::GoOn& go_on) { return store_->CheckCounts(go_on); });
  }

  void Check(bool repair, CallContext context, ReportCallback progress, ReportEndCallback done) {
    SubmitAsk(std::move(context), std::move(done),
              [this, repair, progress = std::move(progress)](const store::GoOn& go_on) {
                return store_->Check({.repair = repair, .go_on = go_on, .tell = progress});
              });
  }

  // Claims first: what they could not deliver goes back through the lanes. Jobs before the lanes,
  // which they wait for.
  void Stop() {
    desk_.Stop();
    jobs_.Stop();
    lanes_.Stop();
    reads_.Stop();
    upkeep_.Stop();
  }

 private:
  void Wake(const std::string& name_space) { desk_.Wake(name_space); }

  LaneOptions OptionsOfLanes() {
    LaneOptions options;
    options.queue_commands = options_.lane_queue_commands;
    options.queue_bytes = options_.lane_queue_bytes;
    options.on_unavailable = [this] { upkeep_.Suspect(); };
    options.policies = &policies_;
    options.on_claimable = [this](const std::string& name_space) { Wake(name_space); };
    return options;
  }
  ClaimDeskOptions OptionsOfDesk() {
    ClaimDeskOptions options;
    options.interval = options_.claim_interval;
    options.give_back = [this](std::vector<domain::Task> tasks) {
      give_back_.Add(std::move(tasks));
    };
    options.on_unavailable = [this] { upkeep_.Suspect(); };
    return options;
  }
  ReaperOptions OptionsOfReaper() {
    return {.policy_of = [this](const std::string& name_space) { return policies_.Of(name_space); },
            .on_claimable = [this](const std::string& name_space) { Wake(name_space); }};
  }

  // In the order in which each needs those before; nothing calls upon a later one before there are
  // calls.
  const std::unique_ptr<store::Store> store_;
  const TrackerOptions options_;
  PolicyCache policies_;
  Lanes lanes_;
  GiveBackQueue give_back_;
  ClaimDesk desk_;
  Reads reads_;
  JobPool jobs_;
  Upkeep upkeep_;
};

Tracker::Tracker(std::unique_ptr<store::Store> store, TrackerOptions options)
    : impl_(std::make_unique<Impl>(std::move(store), std::move(options))) {}

Tracker::~Tracker() { Stop(); }

void Tracker::Write(std::vector<domain::Command> commands, CallContext context,
                    OutcomesCallback done) {
  impl_->lanes().Write(std::move(commands), std::move(context), std::move(done));
}

void Tracker::Get(domain::TaskKey key, CallContext context, OutcomeCallback done) {
  impl_->reads().Get(std::move(key), std::move(context), std::move(done));
}

void Tracker::List(ListRequest request, CallContext context, ListCallback done) {
  impl_->reads().List(std::move(request), std::move(context), std::move(done));
}

void Tracker::Count(CountRequest request, CallContext context, CountCallback done) {
  impl_->reads().Count(std::move(request), std::move(context), std::move(done));
}

void Tracker::Claim(ClaimRequest request, CallContext context, ClaimCallback done) {
  impl_->desk().Claim(std::move(request), std::move(context), std::move(done));
}

void Tracker::GiveBack(std::vector<domain::Task> tasks) {
  impl_->give_back().Add(std::move(tasks));
}

void Tracker::SetPolicy(domain::Policy policy, CallContext context, PolicyCallback done) {
  impl_->reads().SetPolicy(std::move(policy), std::move(context), std::move(done));
}

void Tracker::GetPolicy(std::string name_space, CallContext context, PolicyCallback done) {
  impl_->reads().GetPolicy(std::move(name_space), std::move(context), std::move(done));
}

void Tracker::ListPolicies(PoliciesRequest request, CallContext context, PoliciesCallback done) {
  impl_->reads().ListPolicies(std::move(request), std::move(context), std::move(done));
}

void Tracker::DeletePolicy(std::string name_space, CallContext context, StatusCallback done) {
  impl_->reads().DeletePolicy(std::move(name_space), std::move(context), std::move(done));
}

void Tracker::GroupErrors(store::ErrorGroupQuery query, CallContext context, GroupsCallback done) {
  impl_->GroupErrors(std::move(query), std::move(context), std::move(done));
}

void Tracker::Check(bool repair, CallContext context, ReportCallback progress,
                    ReportEndCallback done) {
  impl_->Check(repair, std::move(context), std::move(progress), std::move(done));
}

void Tracker::CheckCounts(CallContext context, CheckCallback done) {
  impl_->CheckCounts(std::move(context), std::move(done));
}

void Tracker::BulkUpdate(BulkRequest request, CallContext context, ProgressCallback progress,
                         JobCallback done) {
  impl_->BulkUpdate(std::move(request), std::move(context), std::move(progress), std::move(done));
}

void Tracker::ExpireAll(bool dry_run, CallContext context, ProgressCallback progress,
                        JobCallback done) {
  impl_->ExpireAll(dry_run, std::move(context), std::move(progress), std::move(done));
}

void Tracker::PurgeAll(std::string name_space, bool dry_run, CallContext context,
                       ProgressCallback progress, JobCallback done) {
  impl_->PurgeAll(std::move(name_space), dry_run, std::move(context), std::move(progress),
                  std::move(done));
}

bool Tracker::healthy() const { return impl_->healthy(); }

void Tracker::Stop() { impl_->Stop(); }

}  // namespace tracker::service
