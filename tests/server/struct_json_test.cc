#include "server/struct_json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "src/base/limits.h"

namespace tracker::server {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

Struct WithNumber(double number) {
  Struct object;
  (*object.mutable_fields())["n"].set_number_value(number);
  return object;
}

Struct Nested(int levels) {
  Struct object;
  Struct* inner = &object;
  for (int i = 1; i < levels; ++i) inner = (*inner->mutable_fields())["a"].mutable_struct_value();
  return object;
}

Struct WithText(const std::string& key, const std::string& text) {
  Struct object;
  (*object.mutable_fields())[key].set_string_value(text);
  return object;
}

TEST(StructToJson, WritesWholeNumbersAsIntegers) {
  EXPECT_EQ(*StructToJson(WithNumber(5)), R"({"n":5})");
  EXPECT_EQ(*StructToJson(WithNumber(-3)), R"({"n":-3})");
  EXPECT_EQ(*StructToJson(WithNumber(1.5)), R"({"n":1.5})");
  EXPECT_EQ(*StructToJson(WithNumber(9007199254740992.0)), R"({"n":9007199254740992})");
}

TEST(StructToJson, RefusesNumbersThatAreNotFinite) {
  for (const double number : {std::nan(""), std::numeric_limits<double>::infinity(),
                              -std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(StructToJson(WithNumber(number)).status().message(),
              "has a number that is not finite");
  }
}

TEST(StructToJson, TakesAllLevelsThatAreAllowedAndNoMore) {
  EXPECT_TRUE(StructToJson(Nested(limits::kDataDepth)).ok());
  for (const int levels : {limits::kDataDepth + 1, 40, 5000}) {
    EXPECT_EQ(StructToJson(Nested(levels)).status().message(),
              "is nested too deeply; at most 32 levels are allowed");
  }
}

TEST(StructToJson, CountsListsAsLevels) {
  Struct object;
  Value* value = &(*object.mutable_fields())["l"];
  for (int i = 0; i < limits::kDataDepth; ++i) value = value->mutable_list_value()->add_values();
  value->set_null_value(google::protobuf::NULL_VALUE);
  EXPECT_FALSE(StructToJson(object).ok());
}

TEST(StructToJson, TakesAllBytesThatAreAllowedAndNoMore) {
  const size_t around = std::string(R"({"k":""})").size();
  EXPECT_TRUE(StructToJson(WithText("k", std::string(limits::kDataBytes - around, 'x'))).ok());
  EXPECT_EQ(StructToJson(WithText("k", std::string(limits::kDataBytes - around + 1, 'x')))
                .status()
                .message(),
            "has 262145 bytes as JSON; at most 262144 are allowed");
}

TEST(StructToJson, RefusesNulBytesAndBadUtf8InStringsAndKeys) {
  const std::string nul("a\0b", 3);
  EXPECT_EQ(StructToJson(WithText("k", nul)).status().message(),
            "has a NUL byte in a string or key");
  EXPECT_EQ(StructToJson(WithText(nul, "v")).status().message(),
            "has a NUL byte in a string or key");
  EXPECT_FALSE(StructToJson(WithText("k", "\xC3\x28")).ok());
}

TEST(StructToJson, RefusesAValueOfNoKind) {
  Struct object;
  (*object.mutable_fields())["k"];
  EXPECT_FALSE(StructToJson(object).ok());
}

TEST(JsonToStruct, GivesBackWhatWasPutIn) {
  for (const std::string text :
       {R"({})", R"({"a":null,"b":true,"c":[1,2.5,"x",{}],"d":{"e":"\"{}\\%'\n\u0001 ünïcode"}})",
        R"({"":[[],[[]]]})", R"({"big":1e300,"small":-1e-300})"}) {
    Struct object;
    ASSERT_TRUE(JsonToStruct(text, &object).ok()) << text;
    Struct again;
    ASSERT_TRUE(JsonToStruct(*StructToJson(object), &again).ok());
    EXPECT_EQ(object.DebugString(), again.DebugString());
  }
}

TEST(JsonToStruct, RefusesWhatIsNoObject) {
  Struct object;
  for (const std::string text : {"", "[]", "5", "{", R"({"a":})"})
    EXPECT_EQ(JsonToStruct(text, &object).code(), absl::StatusCode::kDataLoss) << text;
}

}  // namespace
}  // namespace tracker::server
