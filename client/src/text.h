// Text that is to be sent. Pure.
#pragma once

#include <string>

namespace tracker::internal {

// The text made fit for a report: NUL bytes and bytes that are not UTF-8 become U+FFFD, and only
// its last 64 KiB are kept (the server keeps less, and refuses requests that are much larger).
std::string ScrubReport(const std::string& text);

// Whether the bytes are well-formed UTF-8 (RFC 3629).
bool IsUtf8(const std::string& text);

// "host:pid:thread" of the calling thread: the name of a worker that was given none.
std::string DefaultWorker();

}  // namespace tracker::internal
