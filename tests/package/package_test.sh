#!/usr/bin/env bash
# Installs Tracker into a folder and uses it from there, as a stranger's project would: by find_package and by pkg-config,
# from a static and from a shared build, each against a real trackerd.
#
#   package_test.sh BUILD_FOLDER COMPILER CMAKE
set -euo pipefail
build=$1 cxx=$2 cmake=$3
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
unset DESTDIR
# It compiles next to tests that count seconds.
renice -n 10 -p $$ >/dev/null

# shellcheck source=tests/support/trackerd.sh
. "$top/tests/support/trackerd.sh"

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
# Says what it does, and shows the command's output only when it went wrong.
step() {
  local what=$1 start=$SECONDS
  shift
  # Not with ||, which would let the command go on after an error.
  set +e
  (set -e; "$@") >"$work/log" 2>&1
  local status=$?
  set -e
  [ $status -eq 0 ] || { cat "$work/log" >&2; fail "$what"; }
  echo "$what: $((SECONDS - start)) s"
}

# Installs a build where it was not configured for, and then moves it: nothing in it may name a folder.
install_to() { # PREFIX BUILD [COMPONENT...]
  local prefix=$1 from=$2 component
  shift 2
  for component in "$@"; do
    "$cmake" --install "$from" --prefix "$work/elsewhere" --component "$component"
  done
  [ $# -gt 0 ] || "$cmake" --install "$from" --prefix "$work/elsewhere"
  mv "$work/elsewhere" "$prefix"
  if grep -rlIF -e "$work/elsewhere" -e "$top" "$prefix"; then
    echo "these installed files name a folder of the machine that they were built on"
    return 1
  fi
}

# The public headers need Abseil and the standard library, directly and in turn.
check_headers() { # PREFIX
  if grep -rnE '^[[:space:]]*#[[:space:]]*include' "$1/include/tracker" |
    grep -vE '#include ("(absl|tracker)/[A-Za-z0-9_/]+\.h"|<[a-z_]+>)$'; then
    echo "these includes are neither Abseil's, nor the standard library's, nor Tracker's"
    return 1
  fi
  (cd "$1/include" && find tracker -name '*.h') | sed 's/.*/#include "&"/' >"$work/all.cc"
  # shellcheck disable=SC2046  # flags are words
  "$cxx" -std=c++20 $(pkg-config --cflags tracker_client) -M "$work/all.cc" >"$work/headers"
  if grep -E 'grpc|protobuf|\.pb\.h|spdlog|nlohmann' "$work/headers"; then
    echo "the public headers bring these in"
    return 1
  fi
}

by_cmake() { # PREFIX BUILD_FOLDER
  "$cmake" -S "$here/consumer" -B "$2" -G Ninja -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_PREFIX_PATH="$1"
  "$cmake" --build "$2"
}

by_pkg_config() { # SOURCE OUTPUT PKG_CONFIG_ARGUMENTS...
  local source=$1 output=$2
  shift 2
  # shellcheck disable=SC2046  # flags are words
  "$cxx" -std=c++20 "$here/consumer/$source" -o "$output" $(pkg-config --cflags --libs "$@")
}

use_pkg_config_of() { # PREFIX
  PKG_CONFIG_PATH=$(dirname "$(find "$1" -name tracker_client.pc)")
  export PKG_CONFIG_PATH
}

# Only the public names can be seen; and what links the library links neither gRPC nor protobuf for it.
check_shared() { # LIBRARY CONSUMER
  if nm -DC --defined-only "$1" |
    grep -vE ' ((typeinfo|typeinfo name|vtable|VTT) for )?tracker::[A-Z]'; then
    echo "these symbols should be hidden"
    return 1
  fi
  "$top/tests/client/runtime_symbols_test.sh" nm "$1"
  if readelf -d "$2" | grep -E 'NEEDED.*(grpc|protobuf)'; then
    echo "this should be the library's own affair"
    return 1
  fi
}

static=$work/static shared=$work/shared
step "install the static build" install_to "$static" "$build"

start_trackerd "$static/bin"

# Each program works in a namespace of its own, and what it did is there for others to see.
run() { # NAMESPACE PROGRAM
  "$2" "$address" "$1" && "$static/bin/trackerctl" --server "$address" get "$1" good | grep succeeded
}

use_pkg_config_of "$static"
step "check the installed headers" check_headers "$static"
step "static: build with find_package, beside other protobuf code" by_cmake "$static" "$work/static_consumer"
step "static: run" run static-cmake "$work/static_consumer/consumer"
step "static: run the consumer's test" "$work/static_consumer/consumer_test"
step "static: build with pkg-config" by_pkg_config main.cc "$work/consumer" tracker_client
step "static: run" run static-pkg-config "$work/consumer"
step "static: build with pkg-config --static" by_pkg_config main.cc "$work/consumer" --static tracker_client
step "static: run" run static-pkg-config-static "$work/consumer"
step "static: build the consumer's test with pkg-config" by_pkg_config consumer_test.cc "$work/consumer_test" tracker_testing
step "static: run the consumer's test" "$work/consumer_test"

build_shared() {
  # What ccache has from the last run, which was in another folder, is as good.
  export CCACHE_BASEDIR=$work
  "$cmake" -S "$top" -B "$work/build" -G Ninja -DCMAKE_CXX_COMPILER="$cxx" \
    -DBUILD_SHARED_LIBS=ON -DTRACKER_BUILD_TESTS=OFF
  "$cmake" --build "$work/build" --target tracker_client
}
step "shared: build the client library" build_shared
step "shared: install" install_to "$shared" "$work/build" client client_development
use_pkg_config_of "$shared"
step "shared: build with find_package, beside other protobuf code" by_cmake "$shared" "$work/shared_consumer"
step "shared: run" run shared-cmake "$work/shared_consumer/consumer"
step "shared: build with pkg-config" by_pkg_config main.cc "$work/consumer" tracker_client
library=$(find "$shared" -name 'libtracker_client.so')
LD_LIBRARY_PATH=$(dirname "$library") step "shared: run" run shared-pkg-config "$work/consumer"
step "shared: check what can be seen of it" check_shared "$library" "$work/consumer"
echo "the package works"
