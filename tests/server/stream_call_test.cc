// Calls over a real gRPC channel, with a job that the test plays: what is sent when, and who is
// told when the caller has gone.
#include "server/stream_call.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "google/rpc/error_details.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "server/call.h"
#include "server/errors.h"
#include "tracker/v1/tracker.grpc.pb.h"

namespace tracker::server {
namespace {

using Context = grpc::CallbackServerContext;
using Bytes = grpc::ByteBuffer;

v1::PurgeResponse Deleted(int64_t count, bool done = false) {
  v1::PurgeResponse response;
  response.set_deleted(count);
  response.set_done(done);
  return response;
}

// Hands each call to the test.
class Service final
    : public v1::AdminService::WithRawCallbackMethod_Purge<
          v1::AdminService::WithRawCallbackMethod_CheckCounts<v1::AdminService::Service>> {
 public:
  grpc::ServerWriteReactor<Bytes>* Purge(Context* context, const Bytes*) override {
    stream = new StreamCall("Purge", context, Deleted(0));
    arrived.Notify();
    return stream;
  }
  grpc::ServerUnaryReactor* CheckCounts(Context* context, const Bytes*, Bytes* response) override {
    unary = new Call("CheckCounts", context, response);
    arrived.Notify();
    return unary;
  }

  absl::Notification arrived;
  StreamCall* stream = nullptr;
  Call* unary = nullptr;
};

class CallTest : public testing::Test {
 protected:
  CallTest() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    stub_ = v1::AdminService::NewStub(grpc::CreateChannel("127.0.0.1:" + std::to_string(port),
                                                          grpc::InsecureChannelCredentials()));
  }
  ~CallTest() override { server_->Shutdown(); }

  // Until the server has the call.
  void Open() {
    reader_ = stub_->Purge(&context_, v1::PurgeRequest());
    service_.arrived.WaitForNotification();
  }
  v1::PurgeResponse Read() {
    v1::PurgeResponse response;
    EXPECT_TRUE(reader_->Read(&response));
    return response;
  }

  Service service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::AdminService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::PurgeResponse>> reader_;
};

bool IsCancelled(const service::CallContext& context) { return context.cancelled->load(); }

void AwaitCancelled(const service::CallContext& context) {
  while (!IsCancelled(context)) absl::SleepFor(absl::Milliseconds(1));
}

TEST_F(CallTest, JobThatSaysNothingIsHeardOfAllTheSame) {
  Open();
  const absl::Time begin = absl::Now();
  EXPECT_EQ(Read().deleted(), 0);
  EXPECT_EQ(Read().deleted(), 0);
  EXPECT_LT(absl::Now() - begin, absl::Seconds(2)) << "at least once a second";
  service_.stream->Finish(Deleted(0, true));
  EXPECT_TRUE(Read().done());
}

TEST_F(CallTest, LatestProgressIsSentAndThenTheEnd) {
  Open();
  for (int i = 1; i <= 1000; ++i) service_.stream->Progress(Deleted(i));
  v1::PurgeResponse heard = Read();
  EXPECT_EQ(heard.deleted(), 1000);
  EXPECT_FALSE(heard.done());
  service_.stream->Finish(Deleted(1001, true));
  v1::PurgeResponse last;
  while (reader_->Read(&heard)) last = heard;
  EXPECT_EQ(last.deleted(), 1001);
  EXPECT_TRUE(last.done());
  EXPECT_TRUE(reader_->Finish().ok());
}

TEST_F(CallTest, JobThatEndsAtOnceIsOneMessage) {
  Open();
  service_.stream->Finish(Deleted(3, true));
  EXPECT_TRUE(Read().done());
  v1::PurgeResponse more;
  EXPECT_FALSE(reader_->Read(&more));
  EXPECT_TRUE(reader_->Finish().ok());
}

TEST_F(CallTest, RefusalOfAJobSaysWhyAndWhenToComeAgain) {
  Open();
  service_.stream->Refuse(absl::ResourceExhaustedError("4 jobs run already"));
  v1::PurgeResponse none;
  EXPECT_FALSE(reader_->Read(&none));
  const grpc::Status status = reader_->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(status.error_message(), "4 jobs run already");
  EXPECT_EQ(context_.GetServerTrailingMetadata().count(kPushbackTrailer), 1u);
}

TEST_F(CallTest, CallerThatGoesIsNoticedAndTheJobMayEndWhenItLikes) {
  Open();
  Read();
  const service::CallContext context = service_.stream->Context();
  EXPECT_FALSE(IsCancelled(context));
  context_.TryCancel();
  AwaitCancelled(context);
  service_.stream->Progress(Deleted(5));
  service_.stream->Refuse(absl::CancelledError("nobody waits"));
  EXPECT_EQ(reader_->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(CallTest, CallerWhoseDeadlinePassesIsNoticed) {
  context_.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  Open();
  const service::CallContext context = service_.stream->Context();
  AwaitCancelled(context);
  service_.stream->Finish(Deleted(0, true));
  EXPECT_EQ(reader_->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

// A unary call that is asked in the background.
class UnaryCallTest : public CallTest {
 protected:
  void Ask() {
    stub_->async()->CheckCounts(&context_, &request_, &response_, [this](grpc::Status status) {
      status_ = std::move(status);
      answered_.Notify();
    });
    service_.arrived.WaitForNotification();
  }
  v1::CheckCountsRequest request_;
  v1::CheckCountsResponse response_;
  grpc::Status status_;
  absl::Notification answered_;
  absl::Notification undelivered_;
};

TEST_F(UnaryCallTest, AnswerThatArrivesUndoesNothing) {
  Ask();
  v1::CheckCountsResponse answer;
  answer.set_tasks(5);
  service_.unary->Answer(answer, [this] { undelivered_.Notify(); });
  answered_.WaitForNotification();
  EXPECT_TRUE(status_.ok());
  EXPECT_EQ(response_.tasks(), 5);
  server_->Shutdown();  // The call is gone by then.
  EXPECT_FALSE(undelivered_.HasBeenNotified());
}

TEST_F(UnaryCallTest, AnswerToACallerThatHasGoneIsUndone) {
  Ask();
  const service::CallContext context = service_.unary->Context();
  context_.TryCancel();
  AwaitCancelled(context);
  service_.unary->Answer(v1::CheckCountsResponse(), [this] { undelivered_.Notify(); });
  EXPECT_TRUE(undelivered_.WaitForNotificationWithTimeout(absl::Seconds(10)));
  answered_.WaitForNotification();
}

}  // namespace
}  // namespace tracker::server
