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

}  // namespace

std::string EncodePageToken(const store::ListQuery& query, const store::Cursor& cursor) {
  return absl::WebSafeBase64Escape(absl::StrCat(kVersion, ":", Fingerprint(query), ":",
                                                absl::ToUnixMicros(cursor.time), ":", cursor.id));
}

absl::StatusOr<store::Cursor> DecodePageToken(const store::ListQuery& query,
                                              const std::string& token) {
  const absl::Status bad =
      absl::InvalidArgumentError("is not a next_page_token of this server; begin without one");
  std::string text;
  if (token.size() > limits::kPageTokenBytes || !absl::WebSafeBase64Unescape(token, &text)) {
    return bad;
  }
  const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 3));
  int64_t micros = 0;
  if (parts.size() != 4 || parts[0] != kVersion || !absl::SimpleAtoi(parts[2], &micros) ||
      domain::CheckId(parts[3])) {
    return bad;
  }
  if (parts[1] != Fingerprint(query)) {
    return absl::InvalidArgumentError(
        "belongs to other filters or another order; begin without one");
  }
  return store::Cursor{absl::FromUnixMicros(micros), parts[3]};
}

}  // namespace tracker::service
