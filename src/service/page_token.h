// The page tokens: where a page ended, and a fingerprint of the filters that it belongs to.
// Opaque to clients.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "src/store/store.h"

namespace tracker::service {

// Base64url of: version, fingerprint of the query's filters and order, time in microseconds, id.
std::string EncodePageToken(const store::ListQuery& query, const store::Cursor& cursor);

// InvalidArgument when it is no token of ours, or that of other filters.
absl::StatusOr<store::Cursor> DecodePageToken(const store::ListQuery& query,
                                              const std::string& token);

// The same for lists by name, Count and ListPolicies: `list` says which, with its filter; a page
// ended at `name`.
std::string EncodeNameToken(const std::string& list, const std::string& name);
absl::StatusOr<std::string> DecodeNameToken(const std::string& list, const std::string& token);

}  // namespace tracker::service
