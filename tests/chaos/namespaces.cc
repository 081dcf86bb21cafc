#include "tests/chaos/namespaces.h"

#include <utility>

namespace tracker::chaos {

Policies ChaosPolicies() {
  domain::Policy plain{.name_space = "plain", .lease = kLease, .max_attempts = 3};
  domain::Policy patient = plain;
  patient.name_space = "patient";
  patient.backoff = {.initial = absl::Milliseconds(300), .multiplier = 2, .max = absl::Seconds(2)};
  domain::Policy stubborn = plain;
  stubborn.name_space = "stubborn";
  stubborn.max_attempts = 1000;
  domain::Policy forgetful = plain;
  forgetful.name_space = "forgetful";
  forgetful.max_attempts = 2;
  forgetful.retention = absl::Seconds(2);
  Policies policies;
  for (domain::Policy* policy : {&plain, &patient, &stubborn, &forgetful}) {
    const std::string name = policy->name_space;
    policies[name] = std::make_shared<const domain::Policy>(std::move(*policy));
  }
  return policies;
}

}  // namespace tracker::chaos
