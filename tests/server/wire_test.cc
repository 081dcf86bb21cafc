#include "server/wire.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/logging.h"
#include "tracker/v1/tracker.pb.h"

namespace tracker::server {
namespace {

grpc::ByteBuffer Buffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

std::string Field(int number, const std::string& value) {
  std::string out;
  out.push_back(static_cast<char>(number << 3 | 2));
  for (size_t rest = value.size();; rest >>= 7) {
    out.push_back(static_cast<char>((rest & 0x7F) | (rest > 0x7F ? 0x80 : 0)));
    if (rest <= 0x7F) break;
  }
  return out + value;
}

std::vector<std::string> Fields(const google::protobuf::Message& type, const std::string& bytes) {
  std::vector<std::string> fields;
  for (const FieldError& error : WhyUnreadable(type.GetDescriptor(), bytes))
    fields.push_back(error.field);
  return fields;
}

using Names = std::vector<std::string>;

TEST(Parse, ReadsBackWhatSerializeWrote) {
  v1::StartRequest request;
  request.set_id("é");
  grpc::ByteBuffer bytes;
  ASSERT_TRUE(Serialize(request, &bytes));
  v1::StartRequest again;
  EXPECT_FALSE(Parse(bytes, &again).has_value());
  EXPECT_EQ(again.id(), "é");
}

TEST(Parse, TakesNoBytesForAnEmptyMessage) {
  v1::CountRequest request;
  EXPECT_FALSE(Parse(grpc::ByteBuffer(), &request).has_value());
  EXPECT_FALSE(Parse(Buffer(""), &request).has_value());
}

TEST(Parse, NamesTheStringsThatAreNotUtf8) {
  TakeOverLibraryLogs();
  v1::StartRequest request;
  const auto error =
      Parse(Buffer(Field(1, "ok") + Field(2, "a\xFFz") + Field(3, "\xC3")), &request);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(error->message(), "id is not valid UTF-8 (and 1 more)");
}

TEST(Parse, SaysSoWhenTheBytesAreNoMessage) {
  v1::StartRequest request;
  const auto error = Parse(Buffer("\xFF\xFF\xFF"), &request);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(error->message(), "the request is not a well-formed tracker.v1.StartRequest");
}

TEST(WhyUnreadable, GivesThePathWithinABatch) {
  const std::string good = Field(1, Field(2, Field(2, "fine")));
  const std::string bad = Field(1, Field(2, Field(2, "\xFF")));
  EXPECT_EQ(Fields(v1::BatchRequest(), good + good + bad), Names{"operations[2].start.id"});
}

TEST(WhyUnreadable, NamesDataForWhatIsWithin) {
  // SucceedRequest.data = 4, Struct.fields = 1 {key = 1, value = 2}, Value.string_value = 3.
  EXPECT_EQ(Fields(v1::SucceedRequest(), Field(4, Field(1, Field(1, "\xFF")))), Names{"data"});
  EXPECT_EQ(
      Fields(v1::SucceedRequest(), Field(4, Field(1, Field(1, "k") + Field(2, Field(3, "\xFF"))))),
      Names{"data"});
}

std::string NestedData(int levels) {
  std::string data;
  for (int i = 0; i < levels; ++i) data = Field(1, Field(1, "k") + Field(2, Field(5, data)));
  return Field(4, data);
}

TEST(Parse, LetsDataInThatDecodingThenRefuses) {
  v1::SucceedRequest request;
  EXPECT_FALSE(Parse(Buffer(NestedData(40)), &request).has_value());
}

TEST(Parse, NamesDataThatIsNestedAbsurdly) {
  for (const int levels : {200, 5000}) {
    v1::SucceedRequest request;
    const auto error = Parse(Buffer(NestedData(levels)), &request);
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->message(), "data is nested too deeply");
  }
}

TEST(WhyUnreadable, TakesTruncatedBytesForMalformed) {
  v1::BatchRequest batch;
  batch.add_operations()->mutable_start()->set_id("0123456789");
  const std::string bytes = batch.SerializeAsString();
  for (size_t size = 1; size < bytes.size(); ++size) {
    v1::BatchRequest request;
    EXPECT_TRUE(Parse(Buffer(bytes.substr(0, size)), &request).has_value()) << size;
  }
}

}  // namespace
}  // namespace tracker::server
