// How many files this process may have open, connections among them. gRPC 1.51 stops accepting for
// good when it runs into that limit (see listener_watch.h), and cannot bound its connections.
#pragma once

#include <cstdint>

namespace tracker::server {

// Raises the soft limit to the hard one, as any process may. The limit that holds then; -1: not
// known.
int64_t RaiseFileLimit();

// How many connections of clients fit into `limit` next to so many of the database and what
// trackerd has open for itself; 0 at least.
int64_t ConnectionsWithin(int64_t limit, int database_connections);

// With fewer than this a trackerd is warned of at its start: a fleet of a thousand workers, and as
// many again while they connect anew.
inline constexpr int64_t kFewConnections = 2000;

}  // namespace tracker::server
