// Every bound of the system in one place, each with its reason. What a user may send is refused
// beyond these, by the name of the field; what the server holds is bounded by them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace tracker::limits {

// Names. An id fits a path or an object key; an index row stays well under PostgreSQL's third of a
// page.
inline constexpr size_t kNamespaceBytes = 128;
inline constexpr size_t kIdBytes = 512;
inline constexpr size_t kWorkerBytes = 256;

// A lock token is 128 bits: 32 hexadecimal digits.
inline constexpr size_t kLockDigits = 32;

// Data is a small object that travels with every answer; large results belong elsewhere, with a
// link here.
inline constexpr size_t kDataBytes = 256 * 1024;
inline constexpr int kDataDepth = 32;

// Longer texts are cut, and keep their innermost end: it is where a traceback says what happened.
inline constexpr size_t kMessageBytes = 4 * 1024;
inline constexpr size_t kTracebackBytes = 32 * 1024;

// How many failed attempts a task remembers.
inline constexpr size_t kErrors = 10;
// How many locks a task remembers besides its last one, to tell a late copy of an old Start from a
// new one: more than the default number of attempts, and a quarter of a kilobyte at most.
inline constexpr size_t kSpentLocks = 8;

// A lease shorter than this cannot be renewed in time over a network; one longer than a day is a
// forgotten task.
inline constexpr absl::Duration kMinLease = absl::Milliseconds(100);
inline constexpr absl::Duration kMaxLease = absl::Hours(24);
inline constexpr absl::Duration kDefaultLease = absl::Minutes(15);

// How far ahead a retry or a release may be put off.
inline constexpr absl::Duration kMaxDelay = absl::Hours(24 * 30);
// How far ahead a new task may become available.
inline constexpr absl::Duration kMaxSchedule = absl::Hours(24 * 366 * 10);

inline constexpr int kDefaultMaxAttempts = 3;
inline constexpr int kMaxMaxAttempts = 1000;

// Operations of a Batch, and tasks of a page.
inline constexpr size_t kBatchOperations = 1000;
inline constexpr int kDefaultPageSize = 100;
inline constexpr int kMaxPageSize = 1000;
inline constexpr size_t kPageTokenBytes = 4096;
inline constexpr int kStatuses = 6;

// The 4 MiB that gRPC clients receive by default, less room for framing and the trailers.
inline constexpr size_t kAnswerBytes = 4 * 1024 * 1024 - 64 * 1024;
inline constexpr size_t kRequestBytes = 4 * 1024 * 1024;
// Answers that their callers have not taken yet, all together: many of the largest. Smaller ones
// than kCountedAnswerBytes are not worth counting: a connection's 4096 calls come to 16 MiB.
inline constexpr size_t kUnsentBytes = 256 * 1024 * 1024;
inline constexpr size_t kCountedAnswerBytes = 4 * 1024;
// How long an answer may lie there while there is no room for others: 4 MiB at 7 Mbit/s.
inline constexpr absl::Duration kUnsentPatience = absl::Seconds(5);
// gRPC clients refuse trailers over 8 KiB by default, so an error's details must fit in that.
inline constexpr size_t kErrorDetailsBytes = 6 * 1024;
inline constexpr size_t kFieldViolations = 16;
inline constexpr size_t kErrorTextBytes = 256;

// A commit carries at most this many commands and bytes: the prototype gained nothing beyond it,
// and a transaction stays short.
inline constexpr size_t kLaneBatchCommands = 512;
inline constexpr size_t kLaneBatchBytes = 4 * 1024 * 1024;
// Data and errors that together are larger than this are read only for whoever needs them; smaller
// ones lie within their task's row.
inline constexpr size_t kSmallDocuments = 2048;
// Of how many tasks a commit reads the larger ones at a time, until it has kLaneBatchBytes of them.
inline constexpr size_t kDocumentsAtOnce = 8;
// How long a write waits for a task's row that another transaction holds: longer than any commit
// takes, and shorter than a caller's patience. Writes on other tasks do not wait with it.
inline constexpr absl::Duration kHeldPatience = absl::Milliseconds(500);
// How long a write may wait for its turn: what waits longer is only answered past its deadline. A
// lane that knows how fast it is turns further calls away; the two bounds after this one are for
// memory, and for a lane that does not know.
inline constexpr absl::Duration kLaneWait = absl::Seconds(1);
inline constexpr size_t kLaneQueueCommands = 16 * 1024;
inline constexpr size_t kLaneQueueBytes = 64 * 1024 * 1024;
inline constexpr size_t kReadQueue = 4096;
// When a caller that is turned away is asked to come again. Sooner the server would still be as
// busy; later it would long be idle when the callers return.
inline constexpr absl::Duration kMinOverloadedRetry = absl::Milliseconds(100);
inline constexpr absl::Duration kMaxOverloadedRetry = absl::Seconds(5);

// Tasks whose lease is over, ended in one step of the reaper.
inline constexpr int kReapBatch = 500;
// Those that somebody else is writing, which it takes along again besides, so that they keep none
// behind them waiting: more than any transaction should hold.
inline constexpr int kReapHeld = 10'000;
// What a dry run of Expire counts to: there is no way to page through what is due.
inline constexpr int kReapCount = 100'000;

// Claim. The tasks of one Claim, and of all that are served together; a longer wait would outlive
// what lies between client and server.
inline constexpr int kClaimTasks = 1000;
inline constexpr absl::Duration kMaxClaimWait = absl::Seconds(60);
// Claims that may wait at once; each is little more than its open call.
inline constexpr size_t kClaimQueue = 16 * 1024;
// The bytes of tasks that one round of Claims reads.
inline constexpr size_t kClaimBytes = 16 * 1024 * 1024;
// Tasks that one round looks at to find some whose earlier steps are done.
inline constexpr int kClaimScan = 10'000;
// How long a Claim is remembered by its lock: longer than any client repeats it.
inline constexpr absl::Duration kClaimMemory = absl::Hours(1);
inline constexpr size_t kAfterNamespaces = 16;
// Rounds in a row that go on where one ended at kClaimScan, before others get their turn.
inline constexpr int kClaimRounds = 4;
// Claims that wait are asked for by their locks this long after the last step for their namespace,
// be there claimable tasks or not: one may be the repeat of a Claim whose answer was lost. More
// often would cost an idle database more than the poll does.
inline constexpr absl::Duration kClaimRecall = absl::Seconds(10);
// Tasks to be given back while the store is away, and how often that is tried, once a second: then
// their leases will see to them.
inline constexpr size_t kGiveBackQueue = 16 * 1024;
inline constexpr int kGiveBackTries = 30;

// Tasks that one page looks at when its filters leave most of them out.
inline constexpr int kPageScan = 10'000;
inline constexpr size_t kErrorTextFilterBytes = 256;
// Tasks that GroupErrors looks at, and groups that it answers.
inline constexpr int kGroupScan = 200'000;
inline constexpr int kDefaultGroups = 10;
inline constexpr int kMaxGroups = 100;

// Policies: a server keeps all of them in memory, of which each takes some 400 bytes.
inline constexpr size_t kPolicies = 1'000'000;
// How long a policy's deletion is remembered, for servers that read only what has changed: longer
// than any that is up goes without a look.
inline constexpr absl::Duration kPolicyMemory = absl::Hours(1);
// Namespaces of a page of Count, and policies of a page of ListPolicies: the default and the most.
// A caller wants all of them, so the default is a large page, and callers from before there were
// pages get what they got.
inline constexpr int kNamePageSize = 1000;
inline constexpr absl::Duration kMaxBackoff = absl::Hours(24 * 30);
inline constexpr double kMaxBackoffMultiplier = 100;
inline constexpr absl::Duration kMinRetention = absl::Seconds(1);
inline constexpr absl::Duration kMaxRetention = absl::Hours(24 * 366 * 100);
inline constexpr size_t kPauseReasonBytes = 1024;
inline constexpr absl::Duration kMinPauseWindow = absl::Seconds(10);
inline constexpr absl::Duration kMaxPauseWindow = absl::Hours(1);
inline constexpr int kMaxPauseAttempts = 1'000'000;

// Bulk updates and admin jobs: a step's tasks, and jobs at once, each of which has a thread.
inline constexpr int kJobStep = 500;
inline constexpr int kJobs = 4;
inline constexpr int kMaxJobRate = 1'000'000;

// Check and repair: rows that one step looks at, and examples of each kind of fault.
inline constexpr int kCheckStep = 5000;
inline constexpr size_t kFindingExamples = 5;

static_assert(kBatchOperations <= kLaneQueueCommands, "a Batch must fit an empty queue");
static_assert(kRequestBytes <= kLaneQueueBytes, "a request must fit an empty queue");
static_assert(kNamePageSize * kStatuses * (kNamespaceBytes + 32) < kAnswerBytes,
              "a page of Count must fit an answer");
static_assert(kNamePageSize * (kNamespaceBytes + kPauseReasonBytes + 256) < kAnswerBytes,
              "a page of ListPolicies must fit an answer");
static_assert(kDataBytes + kErrors * (kMessageBytes + kTracebackBytes) < kAnswerBytes,
              "one task with its data and errors must fit an answer");

}  // namespace tracker::limits
