// What the handlers of unary methods share: the arguments that gRPC gives them, and the way from
// bytes to a decoded request.
#pragma once

#include <optional>
#include <utility>

#include "grpcpp/server_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "server/call.h"
#include "server/decode.h"
#include "server/errors.h"
#include "server/field_errors.h"
#include "server/wire.h"

namespace tracker::server {

// gRPC's, until the call is finished.
struct UnaryRpc {
  grpc::CallbackServerContext* context;
  const grpc::ByteBuffer* request;
  grpc::ByteBuffer* response;
};

// The request; none: the call has been refused. For any kind of call.
template <typename Request, typename AnyCall>
std::optional<Request> ParseOrRefuse(const grpc::ByteBuffer& bytes, AnyCall* call) {
  std::optional<Request> request(std::in_place);
  if (const auto unreadable = Parse(bytes, &*request)) {
    call->Refuse(*unreadable);
    request.reset();
  }
  return request;
}

// The decoded request; none: the call has been refused. For any kind of call.
template <typename Request, typename AnyCall>
auto ParseAndDecode(const grpc::ByteBuffer& bytes, AnyCall* call)
    -> std::optional<decltype(Decode(std::declval<const Request&>(),
                                     std::declval<FieldErrors&>()))> {
  const std::optional<Request> request = ParseOrRefuse<Request>(bytes, call);
  if (!request) return std::nullopt;
  FieldErrors errors;
  auto decoded = Decode(*request, errors);
  if (!errors.empty()) {
    call->Refuse(InvalidFields(errors.list()));
    return std::nullopt;
  }
  return decoded;
}

}  // namespace tracker::server
