#include "server/wire.h"

#include <algorithm>
#include <map>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "grpcpp/support/proto_buffer_reader.h"
#include "grpcpp/support/proto_buffer_writer.h"
#include "server/errors.h"
#include "src/base/limits.h"
#include "src/domain/validation.h"

namespace tracker::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// A level of data takes three messages (Struct, its map entry, Value), so that protobuf's own 100
// would end just short of limits::kDataDepth. This lets a good deal more in, to be refused by name,
// and yet is far from what a thread's stack holds.
constexpr int kNesting = 400;
static_assert(kNesting > 3 * (limits::kDataDepth + 1) + 3);

class Walk {
 public:
  // False: malformed.
  bool Message(const Descriptor* type, absl::string_view bytes, const std::string& path,
               int depth) {
    if (depth > kNesting) {
      Add(path, "is nested too deeply");
      return true;
    }
    CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()),
                        static_cast<int>(bytes.size()));
    std::map<int, int> seen;
    while (errors_.size() < limits::kFieldViolations) {
      const uint32_t tag = in.ReadTag();
      if (tag == 0) return in.ConsumedEntireMessage();
      const int number = WireFormatLite::GetTagFieldNumber(tag);
      const FieldDescriptor* field = number > 0 ? type->FindFieldByNumber(number) : nullptr;
      const bool is_bytes =
          WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
      if (field == nullptr || !is_bytes) {
        if (number == 0 || !WireFormatLite::SkipField(&in, tag)) return false;
        continue;
      }
      uint32_t length = 0;
      const void* value = nullptr;
      int available = 0;
      if (!in.ReadVarint32(&length)) return false;
      if (length > 0 && (!in.GetDirectBufferPointer(&value, &available) ||
                         length > static_cast<uint32_t>(available)))
        return false;
      const absl::string_view inside(static_cast<const char*>(value), length);
      if (!Field(field, inside, PathOf(type, *field, path, seen[number]++), depth)) return false;
      in.Skip(static_cast<int>(length));
    }
    return true;
  }

  std::vector<FieldError> TakeErrors() { return std::move(errors_); }

 private:
  bool Field(const FieldDescriptor* field, absl::string_view bytes, const std::string& path,
             int depth) {
    if (field->type() == FieldDescriptor::TYPE_MESSAGE)
      return Message(field->message_type(), bytes, path, depth + 1);
    if (field->type() == FieldDescriptor::TYPE_STRING && !domain::IsUtf8(bytes))
      Add(path, IsLibrary(field->containing_type()) ? "has a string or key that is not valid UTF-8"
                                                    : "is not valid UTF-8");
    return true;
  }

  static bool IsLibrary(const Descriptor* type) {
    return absl::StartsWith(std::string(type->full_name()), "google.protobuf.");
  }

  static std::string PathOf(const Descriptor* type, const FieldDescriptor& field,
                            const std::string& path, int index) {
    if (IsLibrary(type)) return path;
    return absl::StrCat(path, path.empty() ? "" : ".", std::string(field.name()),
                        field.is_repeated() ? absl::StrCat("[", index, "]") : "");
  }

  void Add(const std::string& path, std::string description) {
    const bool known = std::any_of(errors_.begin(), errors_.end(),
                                   [&](const FieldError& error) { return error.field == path; });
    if (!known) errors_.push_back({path, std::move(description)});
  }

  std::vector<FieldError> errors_;
};

std::string Flatten(const grpc::ByteBuffer& bytes) {
  std::vector<grpc::Slice> slices;
  std::string flat;
  if (!bytes.Dump(&slices).ok()) return flat;
  for (const grpc::Slice& slice : slices)
    flat.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return flat;
}

bool ParseQuietly(const grpc::ByteBuffer& bytes, google::protobuf::Message* message) {
  if (!bytes.Valid()) return true;  // an empty message
  grpc::ByteBuffer shared(bytes);   // shares the slices; the reader wants one that it may change
  grpc::ProtoBufferReader reader(&shared);
  if (!reader.status().ok()) return false;
  CodedInputStream in(&reader);
  in.SetRecursionLimit(kNesting);
  return message->MergeFromCodedStream(&in) && in.ConsumedEntireMessage();
}

}  // namespace

std::vector<FieldError> WhyUnreadable(const Descriptor* type, absl::string_view bytes) {
  Walk walk;
  const bool well_formed = walk.Message(type, bytes, "", 0);
  std::vector<FieldError> errors = walk.TakeErrors();
  if (!well_formed) errors.clear();
  return errors;
}

std::optional<google::rpc::Status> Parse(const grpc::ByteBuffer& bytes,
                                         google::protobuf::Message* message) {
  if (ParseQuietly(bytes, message)) return std::nullopt;
  const std::vector<FieldError> errors = WhyUnreadable(message->GetDescriptor(), Flatten(bytes));
  if (!errors.empty()) return InvalidFields(errors);
  return Malformed(std::string(message->GetDescriptor()->full_name()));
}

bool Serialize(const google::protobuf::Message& message, grpc::ByteBuffer* bytes) {
  const int size = static_cast<int>(message.ByteSizeLong());
  grpc::ProtoBufferWriter writer(bytes, grpc::kProtoBufferWriterMaxBufferLength, size);
  return message.SerializeToZeroCopyStream(&writer);
}

}  // namespace tracker::server
