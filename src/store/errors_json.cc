#include "src/store/errors_json.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace tracker::store {

using domain::TaskError;

std::string EncodeErrors(const std::vector<TaskError>& errors) {
  if (errors.empty()) return "[]";
  nlohmann::json array = nlohmann::json::array();
  for (const TaskError& error : errors) {
    array.push_back({{"attempt", error.attempt},
                     {"fence", error.fence},
                     {"time_us", absl::ToUnixMicros(error.time)},
                     {"worker", error.worker},
                     {"kind", std::string(domain::ErrorKindName(error.kind))},
                     {"message", error.message},
                     {"traceback", error.traceback}});
  }
  // Validation lets only UTF-8 in; replacing keeps a defect there from losing an answer here.
  return array.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

absl::StatusOr<std::vector<TaskError>> DecodeErrors(const std::string& json) {
  std::vector<TaskError> errors;
  if (json.empty() || json == "[]") return errors;
  try {
    for (const nlohmann::json& item : nlohmann::json::parse(json)) {
      const auto kind = domain::ErrorKindFromName(item.at("kind").get<std::string>());
      if (!kind) return absl::DataLossError("stored errors have an unknown kind");
      errors.push_back({.attempt = item.at("attempt").get<int>(),
                        .fence = item.at("fence").get<int64_t>(),
                        .time = absl::FromUnixMicros(item.at("time_us").get<int64_t>()),
                        .worker = item.at("worker").get<std::string>(),
                        .kind = *kind,
                        .message = item.at("message").get<std::string>(),
                        .traceback = item.at("traceback").get<std::string>()});
    }
  } catch (const nlohmann::json::exception& e) {
    return absl::DataLossError(absl::StrCat("stored errors cannot be read: ", e.what()));
  }
  return errors;
}

}  // namespace tracker::store
