// How much memory a process takes, as Linux counts it.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace tracker::testing {

struct ProcessMemory {
  // What is resident now, and the most that ever was (VmRSS and VmHWM), in bytes. 0: no such
  // process.
  int64_t resident = 0;
  int64_t peak = 0;
};

ProcessMemory MemoryOf(pid_t pid);

// Open files of the process; -1: no such process, or no right to look.
int OpenFilesOf(pid_t pid);

}  // namespace tracker::testing
