#!/usr/bin/env bash
# Fails where a library, static or shared, defines a function of the C++ runtime for the whole program: such a definition
# would replace the runtime's own in every program that links the library.
#
#   runtime_symbols_test.sh NM LIBRARY
set -euo pipefail
nm=$1 library=$2
options=()
[[ $library = *.a ]] || options=(--dynamic)
symbols=$("$nm" --defined-only "${options[@]}" "$library")
# It must have been read.
grep -q tracker <<<"$symbols" || { echo "FAILED: $library shows nothing of Tracker" >&2; exit 1; }
# By the names of the Itanium C++ ABI, of the unwinder, and of std::rethrow_exception; what the program allocates and how
# the process ends are no affair of the library either.
if grep -E ' (__cxa_|__gxx_|_Unwind_|_ZSt17rethrow_exception|_ZSt9terminatev$|_Zn[wa]|_Zd[la]|(malloc|free|abort|exit)$)' \
  <<<"$symbols"; then
  echo "FAILED: $library replaces these in every program that links it" >&2
  exit 1
fi
