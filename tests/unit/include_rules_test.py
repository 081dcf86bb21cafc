#!/usr/bin/env python3
"""Checks that each folder includes only what the layers allow (the design's "Layers").

Usage: include_rules_test.py REPOSITORY    checks the sources
       include_rules_test.py --self-test   checks that the checker finds what it should
"""
import pathlib
import re
import sys

# Folder -> the project's own headers that it may include, as regular expressions from the root.
# The longest folder that matches a file counts; a folder may always include its own headers.
OWN = {
    "src/base": [],
    "src/domain": [r"src/base/"],
    "src/store": [r"src/domain/", r"src/base/", r"src/store/(postgres|sqlite)/\w+_store\.h$"],
    "src/store/postgres": [r"src/store/\w+\.h$", r"src/domain/", r"src/base/"],
    "src/store/sqlite": [r"src/store/\w+\.h$", r"src/domain/", r"src/base/"],
    "src/service": [r"src/store/store\.h$", r"src/domain/", r"src/base/", r"src/metrics/"],
    "src/metrics": [r"src/base/"],
    # Only main, which makes the store, names more than its contract.
    "server": [r"src/service/", r"src/store/store\.h$", r"src/domain/", r"src/base/",
               r"src/metrics/", r"proto/"],
    "client": [r"proto/"],
    "client/include": [],
    # The server within a test.
    "client/testing": [r"client/", r"server/", r"src/"],
    "client/testing/include": [],
    "tests": [r""],
}

# Library -> the folders whose files may include it.
LIBRARIES = {
    r"pqxx/": ["src/store/postgres", "tests"],
    r"(libpq-fe|postgres_ext)\.h": ["src/store/postgres", "tests"],
    r"sqlite3\.h": ["src/store/sqlite", "client/examples", "tests"],
    r"(grpcpp|grpc)/": ["server", "client/src", "client/cli", "client/examples", "tests"],
    r"google/protobuf/": ["server", "client/src", "client/cli", "client/examples", "tests"],
    r"[\w/.]+\.pb\.h$": ["server", "client/src", "client/cli", "client/examples", "tests"],
    r"prometheus/": ["src/metrics", "server", "tests"],
    r"(httplib|civetweb|CivetServer)\.h": ["server", "tests"],
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
SUFFIXES = {".h", ".cc"}


def within(path, folder):
    return path == folder or path.startswith(folder + "/")


def folder_of(path):
    known = [folder for folder in OWN if within(path, folder)]
    return max(known, key=len) if known else None


def complaints(path, text):
    """What is wrong with the includes of the file at `path` (from the root)."""
    folder = folder_of(path)
    if folder is None:
        return [f"{path}: lies in no folder of the design; add it to {pathlib.Path(__file__).name}"]
    found = []
    for _, header in INCLUDE.findall(text):
        generated = header.endswith(".pb.h")
        for library, allowed in LIBRARIES.items():
            if re.match(library, header) and not any(within(path, place) for place in allowed):
                found.append(f"{path}: <{header}> belongs to {', '.join(allowed)} only")
        project = re.match(r"(src|server|client|proto|tests)/", header)
        if not project or generated:
            continue
        own = folder_of(header) == folder or (folder == "client" and within(header, "client"))
        if not own and not any(re.match(allowed, header) for allowed in OWN[folder]):
            found.append(f"{path}: {folder} may not include \"{header}\"")
    return found


def check(root):
    found, files = [], 0
    for top in ("src", "server", "client", "tests"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix in SUFFIXES and path.is_file():
                files += 1
                found += complaints(str(path.relative_to(root)), path.read_text(errors="replace"))
    if files == 0:
        found.append(f"{root}: no sources found")
    return found, files


def self_test():
    bad = {
        "src/domain/a.cc": '#include "src/store/store.h"',
        "src/base/a.h": '#include "src/domain/task.h"',
        "src/service/a.cc": '#include "src/store/sqlite/sqlite_store.h"',
        "src/service/b.cc": "#include <grpcpp/grpcpp.h>",
        "src/store/a.cc": "#  include <sqlite3.h>",
        "src/store/sqlite/a.cc": "#include <pqxx/pqxx>",
        "src/store/sqlite/b.cc": '#include "src/store/postgres/postgres_store.h"',
        "src/domain/b.cc": '#include "tracker/v1/tracker.pb.h"',
        "server/a.cc": '#include "client/include/tracker/client.h"',
        "server/b.cc": '#include "src/store/postgres/postgres_store.h"',
        "client/src/a.cc": '#include "src/base/token.h"',
        "client/include/tracker/a.h": '#include "tracker/v1/tracker.grpc.pb.h"',
        "client/include/tracker/b.h": "#include <grpcpp/channel.h>",
        "client/include/tracker/c.h": '#include "client/src/channel.h"',
        "client/testing/a.cc": '#include "tests/support/child_process.h"',
        "client/testing/include/tracker/testing/a.h": '#include "client/testing/network.h"',
        "client/testing/include/tracker/testing/b.h": '#include "server/grpc_server.h"',
        "client/src/b.cc": '#include "server/grpc_server.h"',
        "src/helpers/a.cc": "",
    }
    good = {
        "src/store/open.cc": '#include "src/store/sqlite/sqlite_store.h"',
        "src/store/sqlite/a.cc": '#include <sqlite3.h>\n#include "src/store/batch.h"',
        "server/a.cc": '#include "src/service/tracker.h"\n#include "tracker/v1/tracker.pb.h"',
        "client/src/a.cc": '#include "client/include/tracker/client.h"\n#include <grpcpp/grpcpp.h>',
        "client/cli/a.cc": '#include "tracker/client.h"\n#include "client/src/channel.h"',
        "client/testing/a.cc": '#include "server/grpc_server.h"\n#include "src/store/store.h"',
        "client/testing/include/tracker/testing/a.h": '#include "tracker/client.h"',
        "tests/unit/a.cc": '#include <pqxx/pqxx>\n#include "src/service/lane.h"',
    }
    found = [f"not found: {path}: {text}" for path, text in bad.items()
             if not complaints(path, text)]
    for path, text in good.items():
        found += complaints(path, text)
    return found, len(bad) + len(good)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found, files = self_test() if sys.argv[1] == "--self-test" else check(pathlib.Path(sys.argv[1]))
    for line in found:
        print(line)
    print(f"{files} files, {len(found)} complaints")
    sys.exit(1 if found else 0)


main()
