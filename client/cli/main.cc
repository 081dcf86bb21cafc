// trackerctl: Tracker from the command line. grammar.h has the commands; commands_*.cc do what they
// say; show.h and refusal.h print.
#include <iostream>

#include "client/cli/grammar.h"
#include "client/cli/text.h"

namespace tracker::cli {
namespace {

int Main(int argc, char** argv) {
  UseUtf8();
  CommonFlags flags;
  Grammar grammar(&flags);
  try {
    grammar.app().parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return grammar.app().exit(e) == 0 ? kDone : kUsage;
  }
  try {
    Session session(flags);
    const int code = grammar.command()(session);
    std::cout.flush();
    if (!std::cout) {
      std::cerr << "trackerctl: cannot write to stdout\n";
      return kUsage;
    }
    return code;
  } catch (const UsageError& e) {
    std::cerr << "trackerctl: " << e.message << "\n";
    return kUsage;
  }
}

}  // namespace
}  // namespace tracker::cli

int main(int argc, char** argv) { return tracker::cli::Main(argc, argv); }
