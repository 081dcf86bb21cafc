// What both programs of the consumer check with.
#pragma once

#include <cstdlib>
#include <iostream>
#include <string>

inline void Expect(bool holds, const std::string& what) {
  if (holds) return;
  std::cerr << "not so: " << what << "\n";
  std::exit(1);
}
