#include "nlohmann/json.hpp"

#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/src/convert.h"
#include "client/src/status_details.h"

namespace tracker::internal {
namespace {

using nlohmann::json;

// Deeper data cannot be decoded: a level of a Struct is three of protobuf's hundred.
constexpr int kMaxDepth = 32;
// Beyond it a double skips whole numbers.
constexpr double kExactIntegers = 9007199254740992.0;  // 2^53

// Any whole number that a double does not hold as it is.
const json* FindInexact(const json& value) {
  if (value.is_structured()) {
    for (const json& child : value) {
      if (const json* found = FindInexact(child)) return found;
    }
  } else if (value.is_number_integer()) {
    // Rounding may reach the limit from above, but then the number comes back changed.
    const auto number = value.get<double>();
    if (std::abs(number) > kExactIntegers || json(static_cast<int64_t>(number)) != value)
      return &value;
  }
  return nullptr;
}

void Set(const json& in, google::protobuf::Value* out) {
  switch (in.type()) {
    case json::value_t::object:
      out->mutable_struct_value();
      for (const auto& [key, child] : in.items())
        Set(child, &(*out->mutable_struct_value()->mutable_fields())[key]);
      break;
    case json::value_t::array:
      out->mutable_list_value();
      for (const json& child : in) Set(child, out->mutable_list_value()->add_values());
      break;
    case json::value_t::string: out->set_string_value(in.get_ref<const std::string&>()); break;
    case json::value_t::boolean: out->set_bool_value(in.get<bool>()); break;
    case json::value_t::number_integer:
    case json::value_t::number_unsigned:
    case json::value_t::number_float: out->set_number_value(in.get<double>()); break;
    default: out->set_null_value(google::protobuf::NULL_VALUE); break;
  }
}

json Object(const google::protobuf::Struct& in);

json Get(const google::protobuf::Value& in) {
  switch (in.kind_case()) {
    case google::protobuf::Value::kNumberValue: {
      const double number = in.number_value();
      if (number == std::trunc(number) && std::abs(number) <= kExactIntegers)
        return static_cast<int64_t>(number);
      return number;
    }
    case google::protobuf::Value::kStringValue: return in.string_value();
    case google::protobuf::Value::kBoolValue: return in.bool_value();
    case google::protobuf::Value::kStructValue: return Object(in.struct_value());
    case google::protobuf::Value::kListValue: {
      json list = json::array();
      for (const google::protobuf::Value& child : in.list_value().values())
        list.push_back(Get(child));
      return list;
    }
    default: return nullptr;
  }
}

json Object(const google::protobuf::Struct& in) {
  json object = json::object();
  for (const auto& [key, child] : in.fields()) object[key] = Get(child);
  return object;
}

}  // namespace

absl::Status JsonToStruct(const std::string& text, google::protobuf::Struct* out) {
  // The parser is not recursive, so depth can be judged afterwards.
  json parsed;
  try {
    parsed = json::parse(text);
  } catch (const json::exception& e) {
    return InvalidArgument(absl::StrCat("data is not JSON: ", e.what()));
  }
  if (!parsed.is_object()) {
    return InvalidArgument(
        absl::StrCat("data is ", parsed.type_name(), " in JSON; an object is needed"));
  }
  // Before anything recursive runs over it: each nesting takes at least one byte.
  size_t open = 0, deepest = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (quoted) {
      if (text[i] == '\\')
        ++i;
      else if (text[i] == '"')
        quoted = false;
    } else if (text[i] == '"') {
      quoted = true;
    } else if (text[i] == '{' || text[i] == '[') {
      deepest = std::max(deepest, ++open);
    } else if (text[i] == '}' || text[i] == ']') {
      --open;
    }
  }
  if (deepest > kMaxDepth) {
    return InvalidArgument(
        absl::StrCat("data is nested ", deepest, " deep; at most ", kMaxDepth, " is allowed"));
  }
  if (const json* number = FindInexact(parsed)) {
    return InvalidArgument(absl::StrCat("data has the number ", number->dump(),
                                        ", which would lose digits; send it as a string"));
  }
  for (const auto& [key, child] : parsed.items()) Set(child, &(*out->mutable_fields())[key]);
  return absl::OkStatus();
}

std::string StructToJson(const google::protobuf::Struct& data) {
  return Object(data).dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace tracker::internal
