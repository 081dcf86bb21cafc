#include "src/store/postgres/connection_settings.h"

#include <libpq-fe.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "src/store/trouble.h"

namespace tracker::store::postgres {
namespace {

constexpr char kMask[] = "***";
// Shorter ones would be found within the words of any message.
constexpr size_t kSecretToFind = 3;
// Names of parameters are shorter; what is longer is something else.
constexpr size_t kNameToShow = 40;

// libpq's defaults wait for minutes, or for ever, on a network that is silent.
constexpr absl::string_view kDefaults[][2] = {
    {"connect_timeout", "5"},  {"keepalives_idle", "10"},     {"keepalives_interval", "5"},
    {"keepalives_count", "3"}, {"tcp_user_timeout", "20000"}, {"application_name", "trackerd"},
};

// The parameters that this libpq knows, and whether each is a secret.
const std::map<std::string, bool>& KnownParameters() {
  static const auto* known = [] {
    auto* names = new std::map<std::string, bool>;
    PQconninfoOption* options = PQconndefaults();
    for (const PQconninfoOption* option = options; option && option->keyword; ++option) {
      const bool secret = absl::StrContains(option->dispchar, "*") ||
                          absl::StrContains(option->keyword, "password");
      names->emplace(option->keyword, secret);
    }
    PQconninfoFree(options);
    return names;
  }();
  return *known;
}

absl::Status Wrong(absl::string_view what) { return absl::InvalidArgumentError(what); }

// Undoes %XX.
absl::StatusOr<std::string> Decode(absl::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const absl::string_view digits = text.substr(i + 1, 2);
    const bool good = digits.size() == 2 && absl::ascii_isxdigit(digits[0]) &&
                      absl::ascii_isxdigit(digits[1]) && digits != "00";
    if (!good) {
      return Wrong("it has a % that no two hexadecimal digits follow; write a % itself as %25");
    }
    decoded += absl::HexStringToBytes(digits);
    i += 2;
  }
  return decoded;
}

// Several hosts have a port each.
absl::Status CheckPorts(absl::string_view ports) {
  for (const absl::string_view port : absl::StrSplit(ports, ',')) {
    int number = 0;
    const bool good =
        port.empty() || (absl::SimpleAtoi(port, &number) && number >= 1 && number <= 65535);
    if (!good) return Wrong("its port is not a number from 1 to 65535");
  }
  return absl::OkStatus();
}

using Parameters = std::map<std::string, std::string>;

std::string Keywords(const Parameters& parameters) {
  std::string keywords;
  for (const auto& [name, value] : parameters) {
    absl::StrAppend(&keywords, keywords.empty() ? "" : " ", name, "='",
                    absl::StrReplaceAll(value, {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
  }
  return keywords;
}

// As libpq matches the lists of hosts, their addresses and ports. A list of another length than the
// others, which libpq refuses, is left to it.
std::vector<std::string> Servers(const Parameters& parameters) {
  std::map<std::string, std::vector<std::string>> lists;
  size_t count = 1;
  for (const char* name : {"host", "hostaddr", "port"}) {
    const auto found = parameters.find(name);
    if (found == parameters.end()) continue;
    lists[name] = absl::StrSplit(found->second, ',');
    count = std::max(count, lists[name].size());
  }
  std::vector<std::string> servers;
  servers.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    Parameters one = parameters;
    for (const auto& [name, list] : lists) {
      if (list.size() == count) {
        one[name] = list[i];
      } else if (name != "port" || list.size() != 1) {
        return {Keywords(parameters)};
      }
    }
    servers.push_back(Keywords(one));
  }
  return servers;
}

// Takes a text apart into parameters, and remembers where in it the passwords are.
class Reader {
 public:
  explicit Reader(absl::string_view text) : text_(text) {}

  absl::Status Read() {
    if (text_.find('\0') != absl::string_view::npos) return Wrong("it has a NUL byte");
    const size_t scheme = text_.find("://");
    const bool url =
        absl::StartsWith(text_, "postgresql://") || absl::StartsWith(text_, "postgres://");
    if (absl::Status status = url ? ReadUrl(scheme + 3) : ReadKeywords(); !status.ok())
      return status;
    const auto port = parameters_.find("port");
    return port == parameters_.end() ? absl::OkStatus() : CheckPorts(port->second);
  }

  absl::StatusOr<ConnectionSettings> Take() && {
    ConnectionSettings settings;
    // Of several servers one is the primary; libpq by itself takes the first that is there.
    const auto host = parameters_.find("host");
    if (host != parameters_.end() && absl::StrContains(host->second, ",")) {
      parameters_.emplace("target_session_attrs", "read-write");
    }
    for (const auto& [name, value] : kDefaults) {
      if (KnownParameters().contains(std::string(name)))
        parameters_.emplace(std::string(name), value);
    }
    settings.keywords = Keywords(parameters_);
    settings.servers = Servers(parameters_);
    // Never shown: it quotes what it does not like.
    char* complaint = nullptr;
    PQconninfoOption* options = PQconninfoParse(settings.keywords.c_str(), &complaint);
    PQfreemem(complaint);
    if (options == nullptr) return Wrong("libpq does not take it");
    PQconninfoFree(options);
    settings.shown = OneLine(Masked());
    settings.secrets = std::move(secrets_);
    return settings;
  }

 private:
  // A part of the text.
  struct Span {
    size_t begin = 0;
    size_t end = 0;
  };
  absl::string_view At(Span span) const { return text_.substr(span.begin, span.end - span.begin); }

  void Hide(Span span, const std::string& value) {
    if (value.empty()) return;
    hidden_.push_back(span);
    secrets_.push_back(value);
    if (At(span) != value) secrets_.emplace_back(At(span));
  }

  // `written` is where the value is in the text.
  absl::Status Add(const std::string& name, std::string value, Span written) {
    const auto known = KnownParameters().find(name);
    if (known == KnownParameters().end()) {
      // What looks like a name behind a password may be a piece of it.
      const bool show = secrets_.empty() && !name.empty() && name.size() <= kNameToShow &&
                        std::all_of(name.begin(), name.end(), [](char c) {
                          return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_';
                        });
      return Wrong(show ? absl::StrCat("it has the unknown parameter '", name, "'")
                        : "it has an unknown parameter");
    }
    if (known->second) Hide(written, value);
    parameters_[name] = std::move(value);
    return absl::OkStatus();
  }

  absl::Status AddDecoded(const std::string& name, Span written) {
    absl::StatusOr<std::string> value = Decode(At(written));
    if (!value.ok()) return value.status();
    if (value->empty()) return absl::OkStatus();
    return Add(name, *std::move(value), written);
  }

  // As libpq: [USER[:PASSWORD]@]HOST[:PORT][,...][/DATABASE][?NAME=VALUE[&...]]. Stricter where a
  // password that lacks its %XX would be taken for something that is shown.
  absl::Status ReadUrl(size_t begin) {
    const size_t size = text_.size();
    const size_t slash = std::min(text_.find('/', begin), size);
    const size_t at = text_.find('@', begin);
    size_t hosts = begin;
    if (at < slash) {
      if (absl::Status status = ReadUser({begin, at}); !status.ok()) return status;
      hosts = at + 1;
    }
    const size_t query = std::min(text_.find('?', hosts), size);
    if (absl::StrContains(At({hosts, query}), "@")) {
      return Wrong(
          "it has an @ where none can be; within a user, a password or a database's name write @ "
          "as %40 and / as %2F");
    }
    const size_t database = std::min(text_.find('/', hosts), query);
    if (absl::Status status = ReadHosts({hosts, database}); !status.ok()) return status;
    if (database < query) {
      absl::Status status = AddDecoded("dbname", {database + 1, query});
      if (!status.ok()) return status;
    }
    return query < size ? ReadQuery(query + 1) : absl::OkStatus();
  }

  absl::Status ReadUser(Span user) {
    const absl::string_view written = At(user);
    const size_t question = written.find('?');
    if (question < written.size() && absl::StrContains(written.substr(question), "=")) {
      return Wrong("it has an @ behind a ?; write @ as %40 and ? as %3F");
    }
    const size_t colon = std::min(written.find(':'), written.size());
    if (colon < written.size()) {
      // Before the user: what is wrong with it must not show what was meant for the password.
      absl::Status status = AddDecoded("password", {user.begin + colon + 1, user.end});
      if (!status.ok()) return status;
    }
    return AddDecoded("user", {user.begin, user.begin + colon});
  }

  absl::Status ReadHosts(Span list) {
    std::string hosts, ports;
    bool several = false;
    absl::string_view rest = At(list);
    while (true) {
      absl::string_view host;
      if (absl::ConsumePrefix(&rest, "[")) {
        const size_t close = rest.find(']');
        if (close == absl::string_view::npos) return Wrong("it has a [ without its ]");
        if (close == 0) return Wrong("it has no address between [ and ]");
        host = rest.substr(0, close);
        rest.remove_prefix(close + 1);
        if (!rest.empty() && rest[0] != ':' && rest[0] != ',') {
          return Wrong("what follows the ] of its address is neither a port nor a database");
        }
      } else {
        host = rest.substr(0, rest.find_first_of(":,"));
        rest.remove_prefix(host.size());
      }
      absl::string_view port;
      if (absl::ConsumePrefix(&rest, ":")) {
        port = rest.substr(0, rest.find(','));
        rest.remove_prefix(port.size());
      }
      for (auto& [part, joined] : {std::pair(host, &hosts), std::pair(port, &ports)}) {
        absl::StatusOr<std::string> decoded = Decode(part);
        if (!decoded.ok()) return decoded.status();
        absl::StrAppend(joined, several ? "," : "", *decoded);
      }
      if (!absl::ConsumePrefix(&rest, ",")) break;
      several = true;
    }
    absl::Status status = CheckPorts(ports);
    if (status.ok() && !hosts.empty()) status = Add("host", hosts, list);
    if (status.ok() && !ports.empty()) status = Add("port", ports, list);
    return status;
  }

  absl::Status ReadQuery(size_t begin) {
    while (begin < text_.size()) {
      const size_t end = std::min(text_.find('&', begin), text_.size());
      const absl::string_view part = At({begin, end});
      const size_t equals = part.find('=');
      if (equals == absl::string_view::npos) return Wrong("it has a parameter without a =");
      if (absl::StrContains(part.substr(equals + 1), "=")) {
        return Wrong("it has a parameter with two =; write = within a value as %3D");
      }
      absl::StatusOr<std::string> name = Decode(part.substr(0, equals));
      if (!name.ok()) return name.status();
      const Span written{begin + equals + 1, end};
      absl::StatusOr<std::string> value = Decode(At(written));
      if (!value.ok()) return value.status();
      // libpq's own exception, for what JDBC's URLs have.
      const bool ssl = *name == "ssl" && *value == "true";
      absl::Status status =
          ssl ? Add("sslmode", "require", written) : Add(*name, *std::move(value), written);
      if (!status.ok()) return status;
      begin = end + 1;
    }
    return absl::OkStatus();
  }

  size_t SkipSpace(size_t at) const {
    while (at < text_.size() && absl::ascii_isspace(text_[at])) ++at;
    return at;
  }

  // As libpq: NAME = VALUE, with spaces between; a value with spaces stands in quotes; \ before a
  // character takes it as it is, and stands for nothing at the end.
  absl::Status ReadKeywords() {
    for (size_t at = SkipSpace(0); at < text_.size(); at = SkipSpace(at)) {
      const size_t name_begin = at;
      while (at < text_.size() && text_[at] != '=' && !absl::ascii_isspace(text_[at])) ++at;
      const std::string name(At({name_begin, at}));
      at = SkipSpace(at);
      if (at == text_.size() || text_[at] != '=') {
        return Wrong("it has a parameter without a =; put a value that has spaces in quotes ('')");
      }
      at = SkipSpace(at + 1);
      const bool quoted = at < text_.size() && text_[at] == '\'';
      if (quoted) ++at;
      const size_t value_begin = at;
      std::string value;
      while (at < text_.size() && (quoted ? text_[at] != '\'' : !absl::ascii_isspace(text_[at]))) {
        if (text_[at] == '\\' && ++at == text_.size()) break;
        value += text_[at++];
      }
      if (quoted && at == text_.size()) return Wrong("it has a quote (') without its other one");
      absl::Status status = Add(name, std::move(value), {value_begin, at});
      if (!status.ok()) return status;
      if (quoted) ++at;
    }
    return absl::OkStatus();
  }

  std::string Masked() const {
    std::string shown(text_);
    std::vector<Span> spans = hidden_;
    std::sort(spans.begin(), spans.end(),
              [](const Span& a, const Span& b) { return a.begin > b.begin; });
    for (const Span& span : spans) shown.replace(span.begin, span.end - span.begin, kMask);
    return shown;
  }

  const absl::string_view text_;
  Parameters parameters_;
  std::vector<Span> hidden_;
  std::vector<std::string> secrets_;
};

}  // namespace

bool NamesPostgres(absl::string_view text) {
  if (absl::StartsWith(text, "postgresql://") || absl::StartsWith(text, "postgres://")) return true;
  absl::string_view rest = absl::StripLeadingAsciiWhitespace(text);
  size_t name = 0;
  while (name < rest.size() && (absl::ascii_islower(rest[name]) || rest[name] == '_')) ++name;
  return name > 0 && absl::StartsWith(absl::StripLeadingAsciiWhitespace(rest.substr(name)), "=");
}

absl::StatusOr<ConnectionSettings> ParseConnectionSettings(const std::string& text) {
  Reader reader(text);
  if (absl::Status status = reader.Read(); !status.ok()) return status;
  return std::move(reader).Take();
}

std::string WithoutSecrets(const ConnectionSettings& settings, std::string said) {
  for (const std::string& secret : settings.secrets) {
    if (secret.size() < kSecretToFind) continue;
    said = absl::StrReplaceAll(said, {{secret, kMask}});
  }
  return said;
}

}  // namespace tracker::store::postgres
