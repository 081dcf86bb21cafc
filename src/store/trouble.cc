#include "src/store/trouble.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "src/store/store.h"

namespace tracker::store {
namespace {

constexpr absl::string_view kDatabaseText = "tracker/database-text";

}  // namespace

absl::Status DatabaseError(absl::StatusCode code, absl::string_view sentence,
                           absl::string_view text) {
  absl::Status status(code, sentence);
  status.SetPayload(kDatabaseText, absl::Cord(OneLine(text)));
  return status;
}

bool IsDatabaseError(const absl::Status& status) {
  return status.GetPayload(kDatabaseText).has_value();
}

std::string DatabaseText(const absl::Status& status) {
  const auto text = status.GetPayload(kDatabaseText);
  return text ? std::string(*text) : "";
}

std::string OneLine(absl::string_view text) {
  return absl::StrReplaceAll(absl::StripAsciiWhitespace(text),
                             {{"\n", " "}, {"\r", " "}, {"\t", " "}});
}

std::string ForLog(const absl::Status& status) {
  const std::string text = DatabaseText(status);
  return text.empty() ? std::string(status.message()) : text;
}

}  // namespace tracker::store
