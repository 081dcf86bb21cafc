#include "client/src/refusing_transport.h"

#include <utility>

namespace tracker::internal {
namespace {

class RefusingTransport : public Transport {
 public:
  explicit RefusingTransport(absl::Status refusal) : refusal_(std::move(refusal)) {}

  absl::StatusOr<v1::Task> Write(const v1::Operation&, const CallOptions&) override {
    return refusal_;
  }
  void Batch(v1::BatchRequest, const CallOptions&, BatchCallback done) override { done(refusal_); }
  absl::StatusOr<v1::Task> Get(const v1::GetRequest&, const CallOptions&) override {
    return refusal_;
  }
  absl::StatusOr<v1::ListResponse> List(const v1::ListRequest&, const CallOptions&) override {
    return refusal_;
  }
  absl::StatusOr<v1::CountResponse> Count(const v1::CountRequest&, const CallOptions&) override {
    return refusal_;
  }
  absl::StatusOr<v1::ClaimResponse> Claim(const v1::ClaimRequest&, const CallOptions&) override {
    return refusal_;
  }

 private:
  const absl::Status refusal_;
};

}  // namespace

std::shared_ptr<Transport> NewRefusingTransport(absl::Status refusal) {
  return std::make_shared<RefusingTransport>(std::move(refusal));
}

}  // namespace tracker::internal
