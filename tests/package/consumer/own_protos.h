// What another part of the program does with protobuf messages of the same names as Tracker's.
#pragma once

#include <string>

// The name of the worker that a refusal tells of, read from the serialized google.rpc.Status with
// the program's own messages. Empty: it could not be read.
std::string WorkerOf(const std::string& serialized_status);
