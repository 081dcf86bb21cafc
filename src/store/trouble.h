// Errors of a database as statuses. The message is a sentence of ours, which any caller may see;
// the database's own words, which may hold SQL, names of tables or addresses, travel beside it,
// where only the operator looks: in the error of Open, and in the log. Thread-safe.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace tracker::store {

// Goes well behind a colon: "the database refused the write: the server's log has the details".
inline constexpr char kSeeLog[] = "the server's log has the details";

// `text`: the database's own words.
absl::Status DatabaseError(absl::StatusCode code, absl::string_view sentence,
                           absl::string_view text);

// Made by DatabaseError; else by this program, which chose its code for its callers.
bool IsDatabaseError(const absl::Status& status);
// The database's own words; empty for a status of another kind.
std::string DatabaseText(const absl::Status& status);

// On one line, as logs and messages at the start must be.
std::string OneLine(absl::string_view text);

}  // namespace tracker::store
