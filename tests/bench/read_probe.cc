#include "tests/bench/read_probe.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/bench/interrupt.h"

namespace tracker::bench {
namespace {

constexpr int kPageSize = 100;
constexpr int kWalkPageSize = 1000;
// A connection of its own.
constexpr int kChannel = 100;
constexpr int kMany = 300;
constexpr int kWarmUp = 20;

}  // namespace

ReadProbe::ReadProbe(const std::string& address, std::string name_space)
    : name_space_(std::move(name_space)), stub_(MakeStub(address, kChannel)) {}

absl::StatusOr<std::string> ReadProbe::List(int page_size, const std::string& token,
                                            Latencies* latencies) {
  v1::ListRequest request;
  request.set_namespace_(name_space_);
  request.set_page_size(page_size);
  request.set_page_token(token);
  v1::ListResponse response;
  BoundedContext context;
  const absl::Time began = absl::Now();
  const grpc::Status status = stub_->List(&context, request, &response);
  if (!status.ok()) return FromGrpc(status);
  if (latencies != nullptr) latencies->Add(absl::Now() - began);
  if (response.tasks_size() != page_size) {
    return absl::InternalError(absl::StrCat("a page of ", page_size, " tasks of ", name_space_,
                                            " has ", response.tasks_size()));
  }
  return response.next_page_token();
}

absl::Status ReadProbe::FindDeepPages(int64_t depth) {
  deep_tokens_.clear();
  std::string token;
  for (depth_ = kWalkPageSize; depth_ <= depth; depth_ += kWalkPageSize) {
    if (Interrupted()) return InterruptedError();
    auto next = List(kWalkPageSize, token, nullptr);
    if (!next.ok()) return next.status();
    token = *std::move(next);
    if (depth_ >= depth / 10 * 9) deep_tokens_.push_back(token);
  }
  depth_ -= kWalkPageSize;
  return absl::OkStatus();
}

absl::Status ReadProbe::Measure() {
  if (auto first = List(kPageSize, "", &list_first_); !first.ok()) return first.status();
  // A stride that is no divisor: neighbours in time lie far apart in the table.
  next_token_ = (next_token_ + 17) % deep_tokens_.size();
  if (auto deep = List(kPageSize, deep_tokens_[next_token_], &list_deep_); !deep.ok()) {
    return deep.status();
  }
  return Count();
}

absl::Status ReadProbe::Count() {
  v1::CountResponse response;
  BoundedContext context;
  const absl::Time began = absl::Now();
  const grpc::Status status = stub_->Count(&context, v1::CountRequest(), &response);
  if (!status.ok()) return FromGrpc(status);
  count_.Add(absl::Now() - began);
  return absl::OkStatus();
}

ReadTimes ReadProbe::Take() {
  return {.list_first = list_first_.Take(), .list_deep = list_deep_.Take(), .count = count_.Take()};
}

absl::StatusOr<ReadTimes> ReadProbe::MeasureMany() {
  for (int i = 0; i < kWarmUp + kMany; ++i) {
    if (Interrupted()) return InterruptedError();
    if (i == kWarmUp) Take();
    if (absl::Status measured = Measure(); !measured.ok()) return measured;
  }
  return Take();
}

}  // namespace tracker::bench
