// Linked into trackerd where ThreadSanitizer is built in: the client's tests, which it is for, need
// a server. trackerd's threads meet at absl::Mutex, and the system's Abseil is built without
// ThreadSanitizer, so each meeting would be reported as a race. TSAN_OPTIONS=report_bugs=1 shows
// them.
extern "C" const char* __tsan_default_options() {  // NOLINT(bugprone-reserved-identifier)
  return "report_bugs=0";
}
