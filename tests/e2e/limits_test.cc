// Everything on the limits list is refused by the name of its field, before it does anything; what
// lies within the limits comes back as it was sent.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/types/span.h"
#include "google/protobuf/message.h"
#include "tests/e2e/api.h"
#include "tests/e2e/world.h"

namespace tracker::e2e {
namespace {

using google::protobuf::Message;
using google::protobuf::Struct;

const std::string kLock(32, 'a');
constexpr char kHeld[] = "held";
constexpr char kUnserved[] = "Claim SetPolicy GetPolicy ListPolicies DeletePolicy";

struct Case {
  std::string name;
  std::string method;
  std::string bytes;
  // Which field the refusal must name.
  std::string field;
};

const google::protobuf::ServiceDescriptor& Service() {
  return *v1::GetRequest::descriptor()->file()->FindServiceByName("TrackerService");
}

// A good request of the method, for the task that is held. It would change it.
std::unique_ptr<Message> GoodRequest(const google::protobuf::MethodDescriptor& method) {
  std::unique_ptr<Message> request(google::protobuf::MessageFactory::generated_factory()
                                       ->GetPrototype(method.input_type())
                                       ->New());
  const auto set = [&](const char* field, const std::string& value) {
    if (const auto* found = method.input_type()->FindFieldByName(field))
      request->GetReflection()->SetString(request.get(), found, value);
  };
  set("namespace", kJobs);
  set("id", kHeld);
  set("lock", kLock);
  if (const auto* action = method.input_type()->FindFieldByName("action"))
    request->GetReflection()->SetEnumValue(request.get(), action, v1::BULK_ACTION_RETRY);
  return request;
}

// Puts the string into the serialized request, as no library would that checks it for UTF-8.
std::string WithBytes(std::unique_ptr<Message> request, const char* field,
                      const std::string& value) {
  const std::string placeholder(value.size(), 'Z');
  request->GetReflection()->SetString(
      request.get(), request->GetDescriptor()->FindFieldByName(field), placeholder);
  return absl::StrReplaceAll(request->SerializeAsString(), {{placeholder, value}});
}

// A string of each method that has the field, and must not have this value.
void AddStrings(std::vector<Case>& cases, const char* field,
                const std::vector<std::string>& values) {
  for (int i = 0; i < Service().method_count(); ++i) {
    const auto& method = *Service().method(i);
    if (absl::StrContains(kUnserved, method.name()) ||
        method.input_type()->FindFieldByName(field) == nullptr)
      continue;
    for (const std::string& value : values) {
      // Nothing to filter by, and a lock of the server's making.
      const bool may_be_empty =
          method.name() == "Count" || (method.name() == "Start" && field == std::string("lock"));
      if (value.empty() && may_be_empty) continue;
      cases.push_back({absl::StrCat(method.name(), " with the ", field, " ",
                                    ::testing::PrintToString(value).substr(0, 60), " of ",
                                    value.size(), " bytes"),
                       method.name(), WithBytes(GoodRequest(method), field, value), field});
    }
  }
}

template <typename Request>
void Add(std::vector<Case>& cases, const std::string& method, const std::string& field,
         const std::string& name, const std::function<void(Request&)>& spoil) {
  Request request;
  request.CopyFrom(*GoodRequest(*Service().FindMethodByName(method)));
  spoil(request);
  cases.push_back(
      {absl::StrCat(method, " with ", name), method, request.SerializeAsString(), field});
}

struct Duration {
  int64_t seconds;
  int32_t nanos;
};
constexpr int64_t kMaxSeconds = std::numeric_limits<int64_t>::max();
constexpr int64_t kMinSeconds = std::numeric_limits<int64_t>::min();
constexpr Duration kBadLeases[] = {{-1, 0},          {0, 0},           {0, 50'000'000},
                                   {0, 99'999'999},  {25 * 3600, 0},   {86'400, 1},
                                   {kMaxSeconds, 0}, {kMinSeconds, 0}, {kMaxSeconds, 999'999'999},
                                   {1, -5},          {-1, 5},          {1, 2'000'000'000}};
constexpr Duration kBadDelays[] = {{-1, 0},          {0, -1},          {31 * 86'400, 0},
                                   {kMaxSeconds, 0}, {kMinSeconds, 0}, {1, 1'000'000'000}};

template <typename Request>
void AddDurations(std::vector<Case>& cases, const std::string& method, const std::string& field,
                  absl::Span<const Duration> durations,
                  google::protobuf::Duration* (Request::*mutable_field)()) {
  for (const Duration& bad : durations) {
    Add<Request>(cases, method, field,
                 absl::StrCat("the ", field, " ", bad.seconds, " s ", bad.nanos, " ns"),
                 [&](Request& request) {
                   (request.*mutable_field)()->set_seconds(bad.seconds);
                   (request.*mutable_field)()->set_nanos(bad.nanos);
                 });
  }
}

// Objects and lists in turn.
Struct Nested(int levels) {
  google::protobuf::Value value;
  value.set_string_value("in the middle");
  for (int i = 1; i < levels; ++i) {
    google::protobuf::Value outer;
    if (i % 2 == 0) {
      *outer.mutable_list_value()->add_values() = value;
    } else {
      (*outer.mutable_struct_value()->mutable_fields())["k"] = value;
    }
    value = outer;
  }
  Struct object;
  (*object.mutable_fields())["k"] = value;
  return object;
}

Struct One(const std::string& key, const std::function<void(google::protobuf::Value&)>& set) {
  Struct object;
  set((*object.mutable_fields())[key]);
  return object;
}

Struct Text(const std::string& key, const std::string& text) {
  return One(key, [&](auto& value) { value.set_string_value(text); });
}

Struct Number(double number) {
  return One("n", [&](auto& value) { value.set_number_value(number); });
}

std::vector<std::pair<std::string, Struct>> BadData() {
  using std::numeric_limits;
  return {{"33 levels", Nested(33)},
          {"40 levels", Nested(40)},
          {"120 levels", Nested(120)},
          {"300 KiB", Text("k", std::string(300 * 1024, 'x'))},
          // Each takes six bytes as JSON.
          {"60 KiB of control characters", Text("k", std::string(60 * 1024, '\x01'))},
          {"a NUL in a key", Text(std::string("a\0b", 3), "v")},
          {"a NUL in a value", Text("k", std::string("a\0b", 3))},
          {"NaN", Number(numeric_limits<double>::quiet_NaN())},
          {"infinity", Number(numeric_limits<double>::infinity())},
          {"a value of no kind", One("k", [](auto&) {})}};
}

template <typename Request>
void AddData(std::vector<Case>& cases, const std::string& method) {
  for (const auto& [name, data] : BadData()) {
    Add<Request>(cases, method, "data", absl::StrCat("data of ", name),
                 [&, &data = data](Request& request) { *request.mutable_data() = data; });
  }
  Request request;
  request.CopyFrom(*GoodRequest(*Service().FindMethodByName(method)));
  for (const Struct& data : {Text("@@@@", "v"), Text("k", "@@@@")}) {
    *request.mutable_data() = data;
    cases.push_back(
        {absl::StrCat(method, " with data that is not UTF-8"), method,
         absl::StrReplaceAll(request.SerializeAsString(), {{"@@@@", "\xF0\x28\x8C\xBC"}}), "data"});
  }
}

void AddAvailableTimes(std::vector<Case>& cases) {
  for (const Duration& bad : {Duration{-1, 0}, Duration{kMaxSeconds, 0}, Duration{kMinSeconds, 0},
                              Duration{0, -1}, Duration{0, 1'000'000'000},
                              Duration{absl::ToUnixSeconds(absl::Now()) + 11L * 366 * 86'400, 0}}) {
    Add<v1::CreateRequest>(cases, "Create", "available_time",
                           absl::StrCat("the time ", bad.seconds, " s ", bad.nanos, " ns"),
                           [&](auto& request) {
                             request.mutable_available_time()->set_seconds(bad.seconds);
                             request.mutable_available_time()->set_nanos(bad.nanos);
                           });
  }
}

void AddNumbers(std::vector<Case>& cases) {
  for (const int bad : {-1, 1001, std::numeric_limits<int>::min()}) {
    Add<v1::CreateRequest>(cases, "Create", "max_attempts", absl::StrCat(bad, " attempts"),
                           [&](auto& request) { request.set_max_attempts(bad); });
    Add<v1::ListRequest>(cases, "List", "page_size", absl::StrCat("a page of ", bad),
                         [&](auto& request) { request.set_page_size(bad); });
  }
  for (const int bad : {0, 2, 99, -1}) {
    Add<v1::ListRequest>(cases, "List", "statuses[1]", absl::StrCat("status ", bad),
                         [&](auto& request) {
                           request.add_statuses(v1::STATUS_FAILED);
                           request.add_statuses(static_cast<v1::Status>(bad));
                         });
  }
  Add<v1::ListRequest>(cases, "List", "order", "order 7",
                       [](auto& request) { request.set_order(static_cast<v1::Order>(7)); });
  for (const int bad : {0, 1001}) {
    Add<v1::BatchRequest>(
        cases, "Batch", "operations", absl::StrCat(bad, " operations"), [&](auto& request) {
          for (int i = 0; i < bad; ++i)
            *request.add_operations()->mutable_delete_() = For<v1::DeleteRequest>(kHeld);
        });
  }
}

std::vector<Case> BadRequests() {
  std::vector<Case> cases;
  const std::string nul("a\0b", 3);
  // Latin-1, overlong, a surrogate, beyond the last character, cut off.
  const std::vector<std::string> not_utf8 = {"ab\xFF\xFE", "\xC0\x80", "\xED\xA0\x80",
                                             "\xF5\x80\x80\x80", "ab\xE2\x82"};
  const auto plus = [&](std::vector<std::string> values) {
    values.insert(values.end(), not_utf8.begin(), not_utf8.end());
    return values;
  };
  AddStrings(cases, "namespace",
             plus({"", std::string(129, 'n'), "no space", "semi;colon", "ümläut", nul, "a\n"}));
  AddStrings(cases, "id", plus({"", std::string(513, 'x'), nul, "a\nb", "\x7F", "a\xC2\x85"}));
  AddStrings(cases, "id_prefix", plus({std::string(513, 'x'), nul, "\t"}));
  AddStrings(cases, "worker", plus({std::string(257, 'w'), nul, "a\nb"}));
  AddStrings(cases, "lock",
             plus({"", "x", std::string(31, 'a'), std::string(33, 'a'), std::string(32, 'g'),
                   "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaa", "{aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa}",
                   std::string(100'000, 'a')}));
  AddStrings(cases, "message", plus({nul}));
  AddStrings(cases, "traceback", plus({nul}));
  AddStrings(cases, "page_token", plus({"garbage", "AAAA", std::string(5000, 'A'), "%%%", nul}));
  AddDurations(cases, "Start", "lease", kBadLeases, &v1::StartRequest::mutable_lease);
  AddDurations(cases, "Heartbeat", "lease", kBadLeases, &v1::HeartbeatRequest::mutable_lease);
  AddDurations(cases, "Fail", "retry_delay", kBadDelays, &v1::FailRequest::mutable_retry_delay);
  AddDurations(cases, "Release", "delay", kBadDelays, &v1::ReleaseRequest::mutable_delay);
  AddData<v1::CreateRequest>(cases, "Create");
  AddData<v1::HeartbeatRequest>(cases, "Heartbeat");
  AddData<v1::SucceedRequest>(cases, "Succeed");
  AddData<v1::FailRequest>(cases, "Fail");
  AddAvailableTimes(cases);
  AddNumbers(cases);
  return cases;
}

class Limits : public StoreTest {
 protected:
  Limits() : api_(world_.Serve(world_.NewStore(GetParam())).address()) {
    v1::StartRequest start = StartOf(kHeld, kLock);
    start.set_create_if_missing(true);
    EXPECT_TRUE(api_.Call(start).ok());
    before_ = Now();
  }

  v1::Task Now() {
    v1::Task task = api_.Get(kHeld);
    task.clear_lease_remaining();
    return task;
  }

  void ExpectNothingChanged() {
    EXPECT_TRUE(Same(Now(), before_)) << Now().ShortDebugString();
    v1::CountRequest everything;
    const auto counts = api_.Call(everything);
    EXPECT_EQ(counts.body.counts_size(), 1) << counts.body.ShortDebugString();
    EXPECT_EQ(api_.Count(kJobs), (std::map<v1::Status, int64_t>{{v1::STATUS_IN_PROGRESS, 1}}));
    EXPECT_TRUE(api_.Serving());
  }

  static void ExpectNames(const grpc::Status& status, const std::vector<std::string>& fields) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << VerdictOf(status);
    const Refusal refusal = RefusalOf(status);
    EXPECT_EQ(refusal.reason, "INVALID_ARGUMENT");
    EXPECT_EQ(refusal.domain, "tracker");
    EXPECT_EQ(refusal.fields, fields) << status.error_message();
    EXPECT_TRUE(absl::StartsWith(status.error_message(), fields[0])) << status.error_message();
  }

  Api api_;
  v1::Task before_;
};

TEST_P(Limits, WhatPassesOneIsRefusedByItsFieldAndChangesNothing) {
  const std::vector<Case> cases = BadRequests();
  EXPECT_GT(cases.size(), 300u);
  for (const Case& bad : cases) {
    SCOPED_TRACE(bad.name);
    ExpectNames(api_.Raw(bad.method, bad.bytes), {bad.field});
  }
  ExpectNothingChanged();
}

TEST_P(Limits, EveryWrongFieldIsNamed) {
  v1::FailRequest request;
  request.set_namespace_("no space");
  request.set_lock("x");
  request.mutable_retry_delay()->set_seconds(-1);
  ExpectNames(api_.Call(request).status, {"namespace", "id", "lock", "retry_delay"});
  v1::ListRequest list;
  list.set_page_size(-1);
  ExpectNames(api_.Call(list).status, {"namespace", "page_size"});
}

// A length-delimited field.
std::string Field(char tag, const std::string& content) {
  std::string bytes(1, tag);
  size_t length = content.size();
  for (; length > 0x7F; length >>= 7) bytes += static_cast<char>((length & 0x7F) | 0x80);
  return bytes + static_cast<char>(length) + content;
}

TEST_P(Limits, BytesThatAreNoRequestAreRefused) {
  for (int i = 0; i < Service().method_count(); ++i) {
    const auto& method = *Service().method(i);
    if (absl::StrContains(kUnserved, method.name())) continue;
    SCOPED_TRACE(method.name());
    const std::string good = GoodRequest(method)->SerializeAsString();
    for (const std::string& bytes : {std::string("\xFF\xFF\xFF\xFF"), std::string("\x0A\x7Fshort"),
                                     good + "\x0A", std::string(1000, '\x0B')}) {
      const grpc::Status status = api_.Raw(method.name(), bytes);
      EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << VerdictOf(status);
      EXPECT_EQ(RefusalOf(status).reason, "INVALID_ARGUMENT");
    }
  }
  ExpectNothingChanged();
}

TEST_P(Limits, DataOfThousandsOfLevelsIsRefusedByItsField) {
  std::string value;
  // A Value of a ListValue of a Value of ...
  for (int i = 0; i < 5000; ++i) value = Field('\x32', value.empty() ? "" : Field('\x0A', value));
  const std::string data = Field('\x0A', Field('\x0A', "k") + Field('\x12', value));
  const std::string task = For<v1::CreateRequest>("deep").SerializeAsString();
  ExpectNames(api_.Raw("Create", task + Field('\x1A', data)), {"data"});
  ExpectNothingChanged();
}

TEST_P(Limits, RequestOverFourMebibytesIsRefused) {
  auto fail = Held<v1::FailRequest>(kHeld, kLock);
  fail.set_traceback(std::string(5 * 1024 * 1024, 'x'));
  EXPECT_EQ(api_.Call(fail).code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  ExpectNothingChanged();
}

TEST_P(Limits, PageTokenBelongsToItsFilters) {
  ASSERT_TRUE(api_.Call(For<v1::CreateRequest>("another")).ok());
  v1::ListRequest list;
  list.set_namespace_(kJobs);
  list.set_page_size(1);
  const auto page = api_.Call(list);
  ASSERT_TRUE(page.ok());
  ASSERT_NE(page.body.next_page_token(), "");
  list.set_page_token(page.body.next_page_token());
  EXPECT_TRUE(api_.Call(list).ok());
  const auto refused = [&](const std::function<void(v1::ListRequest&)>& change) {
    v1::ListRequest changed = list;
    change(changed);
    ExpectNames(api_.Call(changed).status, {"page_token"});
  };
  refused([](auto& request) { request.set_namespace_("others"); });
  refused([](auto& request) { request.set_id_prefix("a"); });
  refused([](auto& request) { request.set_worker("w"); });
  refused([](auto& request) { request.set_order(v1::ORDER_OLDEST_FIRST); });
  refused([](auto& request) { request.add_statuses(v1::STATUS_PENDING); });
  refused([](auto& request) { request.mutable_page_token()->front() ^= 1; });
}

TEST_P(Limits, BatchRefusesEachBadOperationByItself) {
  v1::BatchRequest batch;
  batch.add_operations()->mutable_create()->CopyFrom(For<v1::CreateRequest>("good"));
  batch.add_operations();
  v1::StartRequest* start = batch.add_operations()->mutable_start();
  *start = StartOf("bad", "no lock");
  start->mutable_lease()->set_seconds(-1);
  batch.add_operations()->mutable_delete_()->CopyFrom(For<v1::DeleteRequest>("nobody's"));
  batch.add_operations()->mutable_delete_()->CopyFrom(For<v1::DeleteRequest>("good"));
  const auto reply = api_.Call(batch);
  ASSERT_TRUE(reply.ok()) << reply.Verdict();
  ASSERT_EQ(reply.body.results_size(), 5);
  EXPECT_EQ(reply.body.results(0).task().id(), "good");
  EXPECT_EQ(RefusalOf(reply.body.results(1).error()).fields,
            (std::vector<std::string>{"operations[1]"}));
  EXPECT_EQ(RefusalOf(reply.body.results(2).error()).fields,
            (std::vector<std::string>{"operations[2].start.lease", "operations[2].start.lock"}));
  EXPECT_EQ(RefusalOf(reply.body.results(3).error()).reason, "TASK_NOT_FOUND");
  EXPECT_EQ(reply.body.results(4).task().id(), "good");
  ExpectNothingChanged();
}

TEST_P(Limits, WhatLiesWithinThemIsTaken) {
  auto create = For<v1::CreateRequest>("x");
  create.set_namespace_(std::string(124, 'n') + "._/-");
  create.set_max_attempts(1000);
  *create.mutable_data() = Nested(32);
  EXPECT_EQ(api_.Call(create).Verdict(), "OK");
  create.set_id("full");
  // {"k":"…"} is eight bytes.
  *create.mutable_data() = Text("k", std::string(256 * 1024 - 8, 'x'));
  const auto full = api_.Call(create);
  EXPECT_EQ(full.Verdict(), "OK");
  EXPECT_TRUE(Same(full.body.task().data(), create.data()));

  for (const absl::Duration lease : {absl::Milliseconds(100), absl::Hours(24)}) {
    auto start = StartOf("x" + absl::FormatDuration(lease), kLock, lease);
    start.set_worker(std::string(256, 'w'));
    start.set_create_if_missing(true);
    EXPECT_EQ(api_.Call(start).Verdict(), "OK");
  }
  v1::ListRequest list;
  list.set_namespace_(create.namespace_());
  list.set_page_size(1000);
  EXPECT_EQ(api_.Call(list).body.tasks_size(), 2);
}

TEST_P(Limits, OddNamesComeBackByteForByte) {
  const auto times = [](const std::string& text, int count) {
    std::string all;
    for (int i = 0; i < count; ++i) all += text;
    return all;
  };
  const std::vector<std::string> odd = {times("'", 512),
                                        times("\"", 512),
                                        times("{}", 256),
                                        times("\\", 512),
                                        times("%", 512),
                                        times("\U0001F600", 128),
                                        "NULL",
                                        "null",
                                        "\\N",
                                        "{}",
                                        "$1",
                                        "a,b",
                                        " around ",
                                        "%",
                                        "_",
                                        "a_b",
                                        "aXb",
                                        "e\u0301",
                                        "\u00E9",
                                        "\u202Eback",
                                        "\uFFFF",
                                        "/../..",
                                        "\\x00",
                                        "\U0010FFFF",
                                        "'; DROP TABLE task;--",
                                        "(1,2)",
                                        "A",
                                        "a"};
  for (const std::string& id : odd) {
    SCOPED_TRACE(id);
    auto create = For<v1::CreateRequest>(id);
    *create.mutable_data() = Text(id, id);
    ASSERT_EQ(api_.Call(create).Verdict(), "OK");
    auto start = StartOf(id, kLock);
    start.set_worker(id.substr(0, 256));
    ASSERT_EQ(api_.Call(start).Verdict(), "OK");
    auto fail = Held<v1::FailRequest>(id, kLock);
    fail.set_message(id);
    fail.set_traceback(id);
    ASSERT_EQ(api_.Call(fail).Verdict(), "OK");
  }
  EXPECT_EQ(api_.ListAll(kJobs).size(), odd.size() + 1);
  for (const std::string& id : odd) {
    SCOPED_TRACE(id);
    const v1::Task task = api_.Get(id);
    EXPECT_EQ(task.id(), id);
    EXPECT_EQ(task.worker(), id.substr(0, 256));
    EXPECT_TRUE(Same(task.data(), Text(id, id))) << task.data().ShortDebugString();
    ASSERT_EQ(task.errors_size(), 1);
    EXPECT_EQ(task.errors(0).message(), id);
    EXPECT_EQ(task.errors(0).traceback(), id);
    v1::ListRequest list;
    list.set_namespace_(kJobs);
    list.set_id_prefix(id);
    int expected = 0;
    for (const std::string& other : odd) expected += absl::StartsWith(other, id) ? 1 : 0;
    EXPECT_EQ(api_.Call(list).body.tasks_size(), expected);
    list.clear_id_prefix();
    list.set_worker(task.worker());
    EXPECT_EQ(api_.Call(list).body.tasks_size(), 1);
  }
}

TEST_P(Limits, LongReportsKeepTheirInnermostEnd) {
  auto fail = Held<v1::FailRequest>(kHeld, kLock);
  fail.set_message(std::string(10 * 1024, 'm') + " the reason");
  std::string traceback;
  while (traceback.size() < 100 * 1024) traceback += "é😀\n";
  fail.set_traceback(traceback + "where it went wrong");
  ASSERT_EQ(api_.Call(fail).Verdict(), "OK");
  const v1::TaskError error = api_.Get(kHeld).errors(0);
  EXPECT_LE(error.message().size(), 4096u);
  EXPECT_GT(error.message().size(), 4000u);
  EXPECT_TRUE(absl::EndsWith(error.message(), "m the reason"));
  EXPECT_LE(error.traceback().size(), 32u * 1024);
  EXPECT_GT(error.traceback().size(), 32u * 1024 - 100);
  EXPECT_TRUE(absl::EndsWith(error.traceback(), "é😀\nwhere it went wrong"));
}

TEST_P(Limits, AnswersStayUnderFourMebibytes) {
  constexpr int kTasks = 30;
  const Struct data = Text("k", std::string(200 * 1024, 'x'));
  for (int i = 0; i < kTasks; ++i) {
    auto create = For<v1::CreateRequest>(absl::StrCat("big", i));
    *create.mutable_data() = data;
    ASSERT_EQ(api_.Call(create).Verdict(), "OK");
  }
  v1::BatchRequest batch;
  for (int i = 0; i < kTasks; ++i)
    batch.add_operations()->mutable_ignore()->CopyFrom(
        For<v1::IgnoreRequest>(absl::StrCat("big", i)));
  // This channel takes no more than gRPC's default, 4 MiB.
  const auto reply = api_.Call(batch);
  ASSERT_TRUE(reply.ok()) << reply.Verdict();
  ASSERT_EQ(reply.body.results_size(), kTasks);
  int truncated = 0;
  for (int i = 0; i < kTasks; ++i) {
    const v1::Task& task = reply.body.results(i).task();
    EXPECT_EQ(task.id(), absl::StrCat("big", i));
    EXPECT_EQ(task.status(), v1::STATUS_IGNORED);
    EXPECT_EQ(task.has_data(), !task.truncated());
    truncated += task.truncated() ? 1 : 0;
  }
  EXPECT_GT(truncated, 5);
  EXPECT_LT(truncated, kTasks - 5);
  // Pages end before that, and all of them together have everything.
  for (const auto& [id, task] : api_.ListAll(kJobs)) {
    EXPECT_FALSE(task.truncated());
    EXPECT_EQ(Same(task.data(), data), id != kHeld) << id;
  }
}

TEST_P(Limits, MethodThatIsNotThereSaysSo) {
  EXPECT_EQ(api_.Raw("NoSuchMethod", "").error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

INSTANTIATE_TEST_SUITE_P(Stores, Limits, BothKinds(), KindName);

}  // namespace
}  // namespace tracker::e2e
