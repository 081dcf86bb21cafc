// Page tokens: any bytes as one are refused or read, and what the server writes it reads again, for
// the same query only.
#include "src/service/page_token.h"

#include <fuzzer/FuzzedDataProvider.h>

#include <cstdint>
#include <string>

#include "absl/strings/escaping.h"
#include "src/base/limits.h"
#include "src/domain/validation.h"
#include "tests/fuzz/must.h"

namespace tracker::fuzz {
namespace {

constexpr size_t kTextBytes = 40;

store::ListQuery SomeQuery(FuzzedDataProvider& bytes) {
  store::ListQuery query;
  query.name_space = bytes.ConsumeRandomLengthString(kTextBytes);
  query.id_prefix = bytes.ConsumeRandomLengthString(kTextBytes);
  query.error_text = bytes.ConsumeRandomLengthString(kTextBytes);
  query.error_fingerprint = bytes.ConsumeIntegral<int64_t>();
  for (const domain::Status status : domain::kAllStatuses) {
    if (bytes.ConsumeBool()) query.statuses.push_back(status);
  }
  return query;
}

// What a token says is what its writer was given.
void ReadsBack(const store::ListQuery& query, const store::Cursor& cursor) {
  const std::string token = service::EncodePageToken(query, cursor);
  const auto read = service::DecodePageToken(query, token);
  Must(read.ok(), "a token that was written is read");
  Must(read->time == cursor.time && read->id == cursor.id, "a token says where the page ended");
  store::ListQuery other = query;
  other.worker += "x";
  Must(!service::DecodePageToken(other, token).ok(), "a token belongs to its filters");
}

void ReadsBack(const std::string& list, const std::string& name) {
  const std::string token = service::EncodeNameToken(list, name);
  const auto read = service::DecodeNameToken(list, token);
  Must(read.ok() && *read == name, "a name's token is read back");
  Must(!service::DecodeNameToken(list + "x", token).ok(), "a name's token belongs to its list");
}

// Bytes in the place of what stands behind the fingerprint, which no fuzzer would guess.
void ReadsNonsense(const store::ListQuery& query, const std::string& rest) {
  std::string token;
  absl::WebSafeBase64Unescape(service::EncodePageToken(query, {absl::UnixEpoch(), "i"}), &token);
  token.resize(token.size() - std::string("0:i").size());
  const auto read = service::DecodePageToken(query, absl::WebSafeBase64Escape(token + rest));
  if (!read.ok()) return;
  Must(!domain::CheckId(read->id), "no token leads to an id that none could have");
  ReadsBack(query, *read);
}

void TryOne(FuzzedDataProvider& bytes) {
  const store::ListQuery query = SomeQuery(bytes);
  const std::string list = bytes.ConsumeRandomLengthString(kTextBytes);
  const absl::Time time = absl::FromUnixMicros(bytes.ConsumeIntegral<int64_t>());
  const std::string text = bytes.ConsumeRemainingBytesAsString();

  if (const auto cursor = service::DecodePageToken(query, text); cursor.ok()) {
    ReadsBack(query, *cursor);
  }
  if (const auto name = service::DecodeNameToken(list, text); name.ok()) ReadsBack(list, *name);
  ReadsNonsense(query, text);
  if (!domain::CheckId(text)) ReadsBack(query, {time, text});
  if (!domain::CheckNamespace(text)) ReadsBack(list, text);
}

}  // namespace
}  // namespace tracker::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  FuzzedDataProvider provider(bytes, size);
  tracker::fuzz::TryOne(provider);
  return 0;
}
