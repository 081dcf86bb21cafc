// Sequences of commands on one task, and what must hold after each of them whatever happens.
// Whoever runs one chooses what comes next: at random (transition_random_test), or so that it gets
// into new branches (tests/fuzz).
#pragma once

#include <functional>

namespace tracker::domain::testing {

// Chooses a whole number from 0 to n - 1.
using Pick = std::function<int(int n)>;

// Applies `steps` commands to a task that is not there at first, while a clock moves. What does not
// hold is a failure of GoogleTest, with the commands that led there; it ends at the first.
void RunCommandSequence(const Pick& pick, int steps);

}  // namespace tracker::domain::testing
