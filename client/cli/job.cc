#include "client/cli/job.h"

#include <iostream>

#include "client/cli/progress.h"
#include "tracker/termination.h"

namespace tracker::cli {

JobEnd Watch(const Session& session, const std::string& what, const Job& job) {
  std::stop_source stop;
  const OnTermination on_interrupt([&stop] { stop.request_stop(); });
  ProgressLine line(what, session.json());
  JobEnd end;
  const auto done = job(
      [&](const JobProgress& progress) {
        end.progress = progress;
        line.Show(progress);
      },
      stop.get_token());
  end.status = done.status();
  if (done.ok()) end.progress = *done;
  end.stopped = !done.ok() && stop.stop_requested();
  return end;
}

int ExplainEnd(const Session& session, const JobEnd& end) {
  if (end.stopped) {
    // The server may have done a little more before it noticed.
    std::cerr << "trackerctl: stopped; by its last word " << ProgressText(end.progress)
              << ". What is done stays done.\n";
    return kStopped;
  }
  if (end.progress.scanned > 0 || end.progress.matched > 0)
    std::cerr << "trackerctl: it came so far: " << ProgressText(end.progress) << "\n";
  return session.Refused(end.status);
}

}  // namespace tracker::cli
