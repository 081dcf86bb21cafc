#include "server/struct_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "src/base/limits.h"

namespace tracker::server {
namespace {

using google::protobuf::ListValue;
using google::protobuf::Struct;
using google::protobuf::Value;
using nlohmann::json;

// Beyond it a double does not hold every whole number.
constexpr double kExactIntegers = 9007199254740992.0;  // 2^53

absl::Status Bad(absl::string_view why) { return absl::InvalidArgumentError(why); }

absl::Status CheckText(const std::string& text) {
  if (text.find('\0') != std::string::npos) return Bad("has a NUL byte in a string or key");
  return absl::OkStatus();
}

absl::Status ToJson(const Struct& object, int depth, json& out);

absl::Status ToJson(const ListValue& list, int depth, json& out);

absl::Status ToJson(const Value& value, int depth, json& out) {
  switch (value.kind_case()) {
    case Value::kNullValue: out = nullptr; return absl::OkStatus();
    case Value::kBoolValue: out = value.bool_value(); return absl::OkStatus();
    case Value::kStringValue: out = value.string_value(); return CheckText(value.string_value());
    case Value::kNumberValue: {
      const double number = value.number_value();
      if (!std::isfinite(number)) return Bad("has a number that is not finite");
      if (std::trunc(number) == number && std::fabs(number) <= kExactIntegers) {
        out = static_cast<int64_t>(number);
      } else {
        out = number;
      }
      return absl::OkStatus();
    }
    case Value::kStructValue: return ToJson(value.struct_value(), depth + 1, out);
    case Value::kListValue: return ToJson(value.list_value(), depth + 1, out);
    case Value::KIND_NOT_SET: break;
  }
  return Bad("has a value of no kind; use null_value for null");
}

absl::Status CheckDepth(int depth) {
  if (depth <= limits::kDataDepth) return absl::OkStatus();
  return Bad(
      absl::StrCat("is nested too deeply; at most ", limits::kDataDepth, " levels are allowed"));
}

absl::Status ToJson(const Struct& object, int depth, json& out) {
  if (absl::Status status = CheckDepth(depth); !status.ok()) return status;
  out = json::object();
  for (const auto& [key, value] : object.fields()) {
    if (absl::Status status = CheckText(key); !status.ok()) return status;
    if (absl::Status status = ToJson(value, depth, out[key]); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ToJson(const ListValue& list, int depth, json& out) {
  if (absl::Status status = CheckDepth(depth); !status.ok()) return status;
  out = json::array();
  for (const Value& value : list.values()) {
    out.push_back(nullptr);
    if (absl::Status status = ToJson(value, depth, out.back()); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// False when it is deeper than anything that StructToJson lets in.
bool FromJson(const json& in, int depth, Value* out);

bool FromJson(const json& in, int depth, Struct* out) {
  if (depth > limits::kDataDepth) return false;
  auto& fields = *out->mutable_fields();
  for (const auto& item : in.items()) {
    if (!FromJson(item.value(), depth, &fields[item.key()])) return false;
  }
  return true;
}

bool FromJson(const json& in, int depth, ListValue* out) {
  if (depth > limits::kDataDepth) return false;
  out->mutable_values()->Reserve(static_cast<int>(in.size()));
  for (const json& item : in) {
    if (!FromJson(item, depth, out->add_values())) return false;
  }
  return true;
}

bool FromJson(const json& in, int depth, Value* out) {
  switch (in.type()) {
    case json::value_t::object: return FromJson(in, depth + 1, out->mutable_struct_value());
    case json::value_t::array: return FromJson(in, depth + 1, out->mutable_list_value());
    case json::value_t::string: out->set_string_value(in.get_ref<const std::string&>()); break;
    case json::value_t::boolean: out->set_bool_value(in.get<bool>()); break;
    case json::value_t::number_integer:
    case json::value_t::number_unsigned:
    case json::value_t::number_float: out->set_number_value(in.get<double>()); break;
    default: out->set_null_value(google::protobuf::NULL_VALUE);
  }
  return true;
}

}  // namespace

absl::StatusOr<std::string> StructToJson(const Struct& object) {
  json tree;
  if (absl::Status status = ToJson(object, 1, tree); !status.ok()) return status;
  std::string text;
  try {
    text = tree.dump();
  } catch (const json::exception&) {
    return Bad("has a string or key that is not valid UTF-8");
  }
  if (text.size() > limits::kDataBytes) {
    return Bad(absl::StrCat("has ", text.size(), " bytes as JSON; at most ", limits::kDataBytes,
                            " are allowed"));
  }
  return text;
}

absl::Status JsonToStruct(const std::string& text, Struct* object) {
  object->Clear();
  // Neither parsing nor destroying a tree recurses in this library.
  const json tree = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!tree.is_object() || !FromJson(tree, 1, object))
    return absl::DataLossError("the stored data is not a JSON object that can be shown");
  return absl::OkStatus();
}

}  // namespace tracker::server
