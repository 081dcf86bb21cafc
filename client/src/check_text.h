// Protobuf refuses to send bytes that are not UTF-8, with a message on stderr and no error; so
// texts are checked before.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/src/status_details.h"
#include "client/src/text.h"

namespace tracker::internal {

// InvalidArgument: names the field.
inline absl::Status CheckText(const char* field, const std::string& text) {
  if (IsUtf8(text)) return absl::OkStatus();
  return InvalidArgument(absl::StrCat(field, ": is not valid UTF-8"));
}

}  // namespace tracker::internal
