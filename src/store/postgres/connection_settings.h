// Where a PostgreSQL is, and how to get in: a URL or libpq's keywords ("host=... dbname=..."). Both
// are read and checked here before libpq sees any of it, as libpq's complaints quote what they
// complain of, passwords and all. Pure.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "src/store/store.h"

namespace tracker::store::postgres {

class LatestHistory;
class SilenceWatch;

struct ConnectionSettings {
  // For libpq: keywords with quoted values, our time limits among them.
  std::string keywords;
  // The same for each server by itself, where several are named: libpq gives up the whole list when
  // one of them accepts the connection and then closes it, as a proxy in front of a dead one does.
  std::vector<std::string> servers;
  // As it was given, with *** in the place of each password.
  std::string shown;
  // The passwords, as they are and as they were written.
  std::vector<std::string> secrets;
  // As OpenOptions::on_event.
  std::function<void(const StoreEvent&)> on_event;
  // Of the connections that are opened with these settings; null: nobody watches them.
  std::shared_ptr<SilenceWatch> silence_watch;
  // Of the same; null: they are taken as they are.
  std::shared_ptr<LatestHistory> latest_history;
};

// Whether the text means a PostgreSQL: "postgresql://...", "postgres://...", or "keyword=...".
bool NamesPostgres(absl::string_view text);

// InvalidArgument says what is wrong with the text, and shows no part of it that may be secret.
absl::StatusOr<ConnectionSettings> ParseConnectionSettings(const std::string& text);

// What libpq said, without the passwords.
std::string WithoutSecrets(const ConnectionSettings& settings, std::string said);

}  // namespace tracker::store::postgres
