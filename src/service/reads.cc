#include "src/service/reads.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/service/lane.h"
#include "src/service/page_token.h"

namespace tracker::service {

using domain::Policy;
using domain::Reason;

absl::Status StatusOf(Reason reason) {
  const std::string message = Refusal(reason).message;
  switch (reason) {
    case Reason::kOverloaded: return absl::ResourceExhaustedError(message);
    case Reason::kDeadlineExceeded: return absl::DeadlineExceededError(message);
    case Reason::kCancelled: return absl::CancelledError(message);
    default: return absl::UnavailableError(message);
  }
}

Reads::Reads(store::Store* store, PolicyCache* policies, int threads)
    : store_(store), policies_(policies), pool_(threads) {}

template <typename Ask, typename Done>
void Reads::Submit(CallContext context, Ask ask, Done done) {
  pool_.Submit(std::move(context),
               [ask = std::move(ask), done = std::move(done)](Reason reason) mutable {
                 if (reason != Reason::kOk) return done(StatusOf(reason));
                 done(ask());
               });
}

void Reads::Get(domain::TaskKey key, CallContext context, Tracker::OutcomeCallback done) {
  pool_.Submit(std::move(context),
               [this, key = std::move(key), done = std::move(done)](Reason reason) mutable {
                 if (reason != Reason::kOk) return done(Refusal(reason));
                 // Before the policies are known max_attempts would be shown wrong.
                 if (!policies_->Load().ok()) return done(Refusal(Reason::kStoreUnavailable));
                 domain::Outcome outcome = store_->Get(key);
                 if (outcome.task) {
                   ShowMaxAttempts(*outcome.task, policies_->Of(key.name_space).get());
                 }
                 done(std::move(outcome));
               });
}

void Reads::List(ListRequest request, CallContext context, Tracker::ListCallback done) {
  if (!request.page_token.empty()) {
    absl::StatusOr<store::Cursor> cursor = DecodePageToken(request.query, request.page_token);
    if (!cursor.ok()) return done(cursor.status());
    request.query.after = *std::move(cursor);
  }
  auto read = [this, query = std::move(request.query)]() -> absl::StatusOr<ListAnswer> {
    if (absl::Status known = policies_->Load(); !known.ok()) return known;
    absl::StatusOr<store::Page> page = store_->List(query);
    if (!page.ok()) return page.status();
    const PolicyCache::PolicyPointer policy = policies_->Of(query.name_space);
    for (domain::Task& task : page->tasks) ShowMaxAttempts(task, policy.get());
    ListAnswer answer{.tasks = std::move(page->tasks), .now = page->now};
    if (page->next) answer.next_page_token = EncodePageToken(query, *page->next);
    return answer;
  };
  Submit(std::move(context), std::move(read), std::move(done));
}

void Reads::Count(CountRequest request, CallContext context, Tracker::CountCallback done) {
  const std::string list = absl::StrCat("count\n", request.query.name_space);
  if (!request.page_token.empty()) {
    absl::StatusOr<std::string> after = DecodeNameToken(list, request.page_token);
    if (!after.ok()) return done(after.status());
    request.query.after = *std::move(after);
  }
  auto count = [this, list, query = std::move(request.query)]() -> absl::StatusOr<CountAnswer> {
    absl::StatusOr<store::CountPage> page = store_->Count(query);
    if (!page.ok()) return page.status();
    CountAnswer answer{.counts = std::move(page->counts)};
    if (!page->next.empty()) answer.next_page_token = EncodeNameToken(list, page->next);
    return answer;
  };
  Submit(std::move(context), std::move(count), std::move(done));
}

void Reads::SetPolicy(Policy policy, CallContext context, Tracker::PolicyCallback done) {
  Submit(
      std::move(context), [this, policy = std::move(policy)] { return policies_->Set(policy); },
      std::move(done));
}

void Reads::GetPolicy(std::string name_space, CallContext context, Tracker::PolicyCallback done) {
  auto get = [this, name_space = std::move(name_space)]() -> absl::StatusOr<Policy> {
    absl::StatusOr<std::optional<Policy>> policy = store_->GetPolicy(name_space);
    if (!policy.ok()) return policy.status();
    return policy->value_or(Policy{.name_space = name_space});
  };
  Submit(std::move(context), std::move(get), std::move(done));
}

void Reads::ListPolicies(PoliciesRequest request, CallContext context,
                         Tracker::PoliciesCallback done) {
  const std::string list_name = "policies";
  store::PolicyQuery query = {.limit = request.page_size};
  if (!request.page_token.empty()) {
    absl::StatusOr<std::string> after = DecodeNameToken(list_name, request.page_token);
    if (!after.ok()) return done(after.status());
    query.after = *std::move(after);
  }
  auto list = [this, list_name, query = std::move(query)]() -> absl::StatusOr<PoliciesAnswer> {
    absl::StatusOr<store::PolicyPage> page = store_->ListPolicies(query);
    if (!page.ok()) return page.status();
    PoliciesAnswer answer{.policies = std::move(page->policies)};
    if (!page->next.empty()) answer.next_page_token = EncodeNameToken(list_name, page->next);
    return answer;
  };
  Submit(std::move(context), std::move(list), std::move(done));
}

void Reads::DeletePolicy(std::string name_space, CallContext context,
                         Tracker::StatusCallback done) {
  Submit(
      std::move(context),
      [this, name_space = std::move(name_space)] { return policies_->Delete(name_space); },
      std::move(done));
}

}  // namespace tracker::service
