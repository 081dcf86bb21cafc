// Randomness: locks from the operating system's cryptographic source, pauses from a cheap one.
// Thread-safe.
#pragma once

#include <string>

namespace tracker::internal {

// 32 hexadecimal digits. Ends the process where the system has no randomness to give, as nothing
// could be locked safely.
std::string NewLock();

// In [low, high).
double Uniform(double low, double high);

}  // namespace tracker::internal
