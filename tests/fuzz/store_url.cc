// Any text as a PostgreSQL store's URL or keywords, without opening it. What Tracker takes, libpq
// takes too, and understands the same by it; no password is shown, whether it is taken or not.
#include <libpq-fe.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "src/store/postgres/connection_settings.h"
#include "tests/fuzz/must.h"

namespace tracker::fuzz {
namespace {

using store::postgres::ParseConnectionSettings;

// Found nowhere but where a password is: the corpus has it in passwords, and no message has it.
constexpr absl::string_view kMark = "Zq7";

// As libpq understands the text; none: it does not.
std::optional<std::map<std::string, std::string>> ByLibpq(const std::string& text) {
  char* complaint = nullptr;
  PQconninfoOption* options = PQconninfoParse(text.c_str(), &complaint);
  PQfreemem(complaint);
  if (options == nullptr) return std::nullopt;
  std::map<std::string, std::string> parameters;
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    if (option->val != nullptr && *option->val != '\0') parameters[option->keyword] = option->val;
  }
  PQconninfoFree(options);
  return parameters;
}

bool HasOnce(const std::string& text, absl::string_view word) {
  const size_t at = text.find(std::string(word));
  return at != std::string::npos && text.find(std::string(word), at + 1) == std::string::npos;
}

void TryOne(const std::string& text) {
  const auto settings = ParseConnectionSettings(text);
  store::postgres::NamesPostgres(text);
  const auto expected = ByLibpq(text);
  bool marked = false;
  if (expected) {
    const auto password = expected->find("password");
    marked = HasOnce(text, kMark) && password != expected->end() &&
             absl::StrContains(password->second, kMark);
  }
  if (!settings.ok()) {
    Must(!marked || !absl::StrContains(std::string(settings.status().message()), kMark),
         "a refusal shows no password");
    return;
  }
  Must(!marked || !absl::StrContains(settings->shown, kMark), "no password is shown");
  Must(!absl::StrContains(settings->shown, "\n"), "what is shown is one line");
  Must(expected.has_value(), "libpq takes what Tracker takes");
  const auto ours = ByLibpq(settings->keywords);
  Must(ours.has_value(), "libpq takes what Tracker makes of it");
  for (const auto& [name, value] : *expected) {
    const auto found = ours->find(name);
    Must(found != ours->end() && found->second == value, "libpq and Tracker understand the same");
  }
}

}  // namespace
}  // namespace tracker::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  tracker::fuzz::TryOne(std::string(reinterpret_cast<const char*>(bytes), size));
  return 0;
}
