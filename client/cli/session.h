// One run of trackerctl: the flags that all commands share, the connections, and how a command
// says that it was called wrongly. Used by one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/cli/refusal.h"
#include "nlohmann/json.hpp"
#include "tracker/client.h"
#include "tracker/operator.h"

namespace tracker::cli {

inline constexpr char kDefaultServer[] = "127.0.0.1:7070";

struct CommonFlags {
  std::string server = kDefaultServer;
  std::string timeout = "5s";
  bool json = false;
  std::string name_space, id;
};

// What is wrong with the command line; ends as kUsage.
struct UsageError {
  std::string message;
};

// Throw UsageError.
absl::Duration Duration(const char* flag, const std::string& text);
// Empty: none.
std::optional<absl::Duration> OptionalDuration(const char* flag, const std::string& text);

class Session {
 public:
  // Throws UsageError.
  explicit Session(const CommonFlags& flags);

  const std::string& name_space() const { return flags_.name_space; }
  const std::string& id() const { return flags_.id; }
  bool json() const { return flags_.json; }
  const Asked& asked() const { return asked_; }

  Client& client();
  // A call may take this long even where --timeout says less: it reads much.
  Operator& ops(absl::Duration at_least = absl::ZeroDuration());

  // Explains it, and answers the exit code.
  int Refused(const absl::Status& status) const { return ExplainRefusal(status, asked_); }

  static void PrintLine(const nlohmann::ordered_json& json);
  // "created  jobs  a: pending", or the task as JSON.
  int Report(const char* done, const absl::StatusOr<Task>& task) const;

 private:
  const CommonFlags& flags_;
  const absl::Duration timeout_;
  const Asked asked_;
  std::shared_ptr<Client> client_;
  std::shared_ptr<Operator> operator_;
};

}  // namespace tracker::cli
