// What is asked of the store without going through the lanes: reads, and the setting of policies.
// Each waits for the database on a thread of the pool. Thread-safe.
#pragma once

#include <string>

#include "src/service/policy_cache.h"
#include "src/service/read_pool.h"
#include "src/service/tracker.h"
#include "src/store/store.h"

namespace tracker::service {

// Why a call was turned away, as a Status.
absl::Status StatusOf(domain::Reason reason);

class Reads {
 public:
  Reads(store::Store* store, PolicyCache* policies, int threads);

  // As Tracker's.
  void Get(domain::TaskKey key, CallContext context, Tracker::OutcomeCallback done);
  void List(ListRequest request, CallContext context, Tracker::ListCallback done);
  void Count(CountRequest request, CallContext context, Tracker::CountCallback done);
  void SetPolicy(domain::Policy policy, CallContext context, Tracker::PolicyCallback done);
  void GetPolicy(std::string name_space, CallContext context, Tracker::PolicyCallback done);
  void ListPolicies(PoliciesRequest request, CallContext context, Tracker::PoliciesCallback done);
  void DeletePolicy(std::string name_space, CallContext context, Tracker::StatusCallback done);

  void Stop() { pool_.Stop(); }

 private:
  // Calls done with what `ask` answers, or with why the call was turned away.
  template <typename Ask, typename Done>
  void Submit(CallContext context, Ask ask, Done done);

  store::Store* const store_;
  PolicyCache* const policies_;
  ReadPool pool_;
};

}  // namespace tracker::service
