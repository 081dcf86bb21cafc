#include "src/service/page_token.h"

#include <xxhash.h>

#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "src/base/limits.h"
#include "src/domain/validation.h"

namespace tracker::service {
namespace {

constexpr absl::string_view kVersion = "1";
constexpr absl::string_view kNameVersion = "n1";

// Not a secret, nor a signature: a token only says where to read on in what the caller may read
// anyway.
std::string Fingerprint(const store::ListQuery& query) {
  // The error text, which may have any character, comes behind its length.
  std::string filters =
      absl::StrCat(query.name_space, "\n", query.id_prefix, "\n", query.worker, "\n",
                   static_cast<int>(query.order), "\n", query.error_fingerprint, "\n",
                   query.error_text.size(), "\n", query.error_text);
  for (const domain::Status status : query.statuses) {
    absl::StrAppend(&filters, "\n", static_cast<int>(status));
  }
  return absl::StrCat(absl::Hex(XXH3_64bits(filters.data(), filters.size())));
}

absl::Status NoToken() {
  return absl::InvalidArgumentError("is not a next_page_token of this server; begin without one");
}

std::string FingerprintOfList(const std::string& list) {
  return absl::StrCat(absl::Hex(XXH3_64bits(list.data(), list.size())));
}

}  // namespace

std::string EncodePageToken(const store::ListQuery& query, const store::Cursor& cursor) {
  return absl::WebSafeBase64Escape(absl::StrCat(kVersion, ":", Fingerprint(query), ":",
                                                absl::ToUnixMicros(cursor.time), ":", cursor.id));
}

absl::StatusOr<store::Cursor> DecodePageToken(const store::ListQuery& query,
                                              const std::string& token) {
  std::string text;
  if (token.size() > limits::kPageTokenBytes || !absl::WebSafeBase64Unescape(token, &text)) {
    return NoToken();
  }
  const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 3));
  int64_t micros = 0;
  if (parts.size() != 4 || parts[0] != kVersion || !absl::SimpleAtoi(parts[2], &micros) ||
      domain::CheckId(parts[3])) {
    return NoToken();
  }
  if (parts[1] != Fingerprint(query)) {
    return absl::InvalidArgumentError(
        "belongs to other filters or another order; begin without one");
  }
  return store::Cursor{absl::FromUnixMicros(micros), parts[3]};
}

std::string EncodeNameToken(const std::string& list, const std::string& name) {
  return absl::WebSafeBase64Escape(
      absl::StrCat(kNameVersion, ":", FingerprintOfList(list), ":", name));
}

absl::StatusOr<std::string> DecodeNameToken(const std::string& list, const std::string& token) {
  std::string text;
  if (token.size() > limits::kPageTokenBytes || !absl::WebSafeBase64Unescape(token, &text)) {
    return NoToken();
  }
  const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 2));
  if (parts.size() != 3 || parts[0] != kNameVersion || domain::CheckNamespace(parts[2])) {
    return NoToken();
  }
  if (parts[1] != FingerprintOfList(list)) {
    return absl::InvalidArgumentError("belongs to another list; begin without one");
  }
  return parts[2];
}

}  // namespace tracker::service
