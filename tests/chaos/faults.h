// What can go wrong in a fleet, as a table: each fault has a name, the part that it befalls, the
// stores that it makes sense on, and what it does for how long.
#pragma once

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/chaos/fleet.h"

namespace tracker::chaos {

// Faults of different parts may happen at once; those of one part never do.
enum class Part { kDatabase, kStranger, kFirstServer, kSecondServer, kLinks, kWorkers };
inline constexpr Part kParts[] = {Part::kDatabase,     Part::kStranger, Part::kFirstServer,
                                  Part::kSecondServer, Part::kLinks,    Part::kWorkers};

struct Fault {
  std::string name;
  Part part = Part::kDatabase;
  bool on_postgres = true;
  bool on_sqlite = true;
  // How long it lasts: between these.
  absl::Duration shortest;
  absl::Duration longest;
  // Brings it about, and returns when it is over, whatever was broken put right. Throws when it
  // could not be brought about or put right.
  std::function<void(Fleet&, absl::Duration length, std::mt19937_64& random)> happen;
};

const std::vector<Fault>& AllFaults();

// Why the fault cannot be brought about here; empty: it can.
std::string WhyNot(const Fault& fault, Fleet& fleet);

}  // namespace tracker::chaos
