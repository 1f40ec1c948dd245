#!/usr/bin/env python3
"""Checks the arrows between the folders of src/: who may include whom, what the sans-I/O folders may
include at all, that folder = namespace, and that x.cpp includes x.hpp first.

The last rule is the cheap half of "every header compiles alone": a header that a .cpp includes first has
been compiled alone. cmake/KnulChecks.cmake compiles the others.
"""
import argparse
import pathlib
import re
import sys
import tempfile
import unittest

# folder -> folders whose headers it may include, beside its own.
ARROWS = {
    "base": set(),
    "posix": {"base"},
    "stats": {"base"},
    "udp": {"base", "posix", "stats"},
    "quic": {"base", "stats"},
    "runtime": {"base", "posix"},
    "admin": {"base", "posix", "runtime"},
    "server": {"base", "posix", "admin", "udp", "quic", "runtime", "stats"},
    "channel": {"base", "posix"},
    "service": {"base", "posix"},
    "abi": {"server", "channel", "service", "stats", "base"},
}
# The folders inside a folder of src/, each with those beside it that it may include. All share their folder's
# namespace. Tests may also include what these include.
ROOMS = {
    "quic": {
        "memory": set(),
        "crypto": set(),
        "wire": {"crypto"},
        "stream": {"memory"},
        "qlog": {"crypto", "wire"},
        "connection": {"memory", "crypto", "wire", "stream", "qlog"},
        "endpoint": {"connection", "wire", "crypto", "memory"},
    },
}
# Bytes, time and randomness in; bytes out: these folders ask the system for nothing.
SANS_IO = {"base", "quic"}
SYSTEM_HEADERS = re.compile(
    r"thread|mutex|shared_mutex|condition_variable|future|semaphore|latch|barrier|stop_token|pthread\.h|"
    r"fstream|iostream|filesystem|cstdio|stdio\.h|unistd\.h|fcntl\.h|poll\.h|ctime|time\.h|random|"
    r"netdb\.h|sys/(epoll|eventfd|timerfd|time|stat|mman|ioctl|select|uio|random)\.h"
)
# What these declare has one owner: a second mmap or eventfd is a second place for its rules.
POSIX_HEADERS = re.compile(r"sys/(eventfd|mman|random)\.h")
# All of ngtcp2 stays in one folder, and so does TLS.
QUIC_LIBRARIES = re.compile(r"(ngtcp2|gnutls|nettle|openssl)/")
QUIC_NAMES = re.compile(r"\b(ngtcp2|gnutls)_\w+")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
NAMESPACE = re.compile(r"^\s*(?:inline\s+)?namespace\s+((?:knul|krepis)(?:::\w+)*)\s*\{")


def rooms_of_tests(rooms, room):
    """What the tests of `room` may include: its arrows, and theirs."""
    reached, left = set(), [room]
    while left:
        for further in rooms[left.pop()] - reached:
            reached.add(further)
            left.append(further)
    return reached


def is_test(path):
    return path.stem.endswith(("_test", "_bench", "_test_support"))


class Checker:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.errors = []

    def report(self, path, number, text):
        self.errors.append(f"{path.relative_to(self.root)}:{number}: {text}")

    def run(self):
        files = [path for path in sorted((self.root / "src").rglob("*")) if path.suffix in (".hpp", ".cpp", ".h", ".c")]
        for path in files:
            self.check_source(path)
        outside = [path for folder in ("cli", "examples", "include") for path in (self.root / folder).rglob("*")]
        for path in sorted(outside):
            if path.suffix in (".hpp", ".cpp", ".h", ".c"):
                self.check_outside(path)
        return len(files)

    def includes(self, path):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = INCLUDE.match(line)
            if match:
                yield number, match[1], match[2]

    def check_source(self, path):
        folder = path.relative_to(self.root / "src").parts[0]
        if folder not in ARROWS:
            self.report(path, 1, f"folder {folder} has no arrows in scripts/check_layers.py")
            return
        for number, quote, name in self.includes(path):
            self.check_include(path, folder, number, quote, name)
        self.check_place(path, folder)
        self.check_own_header_first(path, folder)
        self.check_namespace(path, folder)
        self.check_library_names(path, folder)
        if path.suffix == ".hpp" and "#pragma once" not in path.read_text(encoding="utf-8"):
            self.report(path, 1, "a header needs #pragma once")

    def check_include(self, path, folder, number, quote, name):
        if ".." in pathlib.PurePosixPath(name).parts:
            self.report(path, number, f'"{name}": includes start at src/, never with ../')
        elif quote == '"':
            target = name.split("/")[0]
            if target == "support" and is_test(path):  # tests/support
                return
            if "/" not in name or target not in ARROWS:
                self.report(path, number, f'"{name}": write "folder/file.hpp", or <...> for what is not ours')
            elif target != folder and target not in ARROWS[folder]:
                self.report(path, number, f'"{name}": {folder} must not know {target}')
            elif target in ROOMS:
                self.check_room(path, folder, number, name)
        elif folder in SANS_IO and not is_test(path) and SYSTEM_HEADERS.fullmatch(name):
            self.report(path, number, f"<{name}>: {folder} asks the system for nothing")
        elif folder != "posix" and not is_test(path) and POSIX_HEADERS.fullmatch(name):
            self.report(path, number, f"<{name}>: posix has the one wrapper of it")
        elif QUIC_LIBRARIES.match(name) and folder != "quic" and not is_test(path):
            self.report(path, number, f"<{name}>: ngtcp2 and TLS stay in quic")

    def check_room(self, path, folder, number, name):
        """An include of a folder that has rooms."""
        target, *inner = name.split("/")
        rooms = ROOMS[target]
        if len(inner) != 2 or inner[0] not in rooms:
            self.report(path, number, f'"{name}": write "{target}/folder/file.hpp"')
            return
        own = path.relative_to(self.root / "src").parts[1]
        if folder != target or own == inner[0] or own not in rooms:
            return
        allowed = rooms_of_tests(rooms, own) if is_test(path) else rooms[own]
        if inner[0] not in allowed:
            self.report(path, number, f'"{name}": {folder}/{own} must not know {folder}/{inner[0]}')

    def check_place(self, path, folder):
        """Sources of a folder that has rooms stand in one of them."""
        place = path.relative_to(self.root / "src").parts[1:-1]
        if folder in ROOMS and (len(place) != 1 or place[0] not in ROOMS[folder]):
            self.report(path, 1, f"put it into one of {folder}/{{{','.join(ROOMS[folder])}}}")

    def check_library_names(self, path, folder):
        """A quic header may show ngtcp2 to the compiler, but not to the code of other folders."""
        if folder == "quic" or is_test(path):
            return
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = QUIC_NAMES.search(line.split("//")[0])
            if match and not INCLUDE.match(line):
                self.report(path, number, f"{match[0]}: ngtcp2 and TLS stay in quic")

    def check_own_header_first(self, path, folder):
        header = path.with_suffix(".hpp")
        if path.suffix != ".cpp" or not header.exists():
            return
        own = str(header.relative_to(self.root / "src"))
        first = next(self.includes(path), (1, "", ""))
        if first[2] != own:
            self.report(path, first[0], f'the first include must be "{own}"')

    def check_namespace(self, path, folder):
        own = f"knul::{folder}"
        seen = False
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = NAMESPACE.match(line)
            if not match:
                continue
            name = match[1]
            parts = name.split("::")
            if name == own or name.startswith(own + "::"):
                seen = True
            elif parts[0] == "krepis":
                seen = True  # what include/krepis declares is defined here
            elif len(parts) < 2 or parts[1] not in ARROWS[folder]:
                self.report(path, number, f"namespace {name} in folder {folder}")
        # abi defines extern "C" functions, which have none.
        if not seen and folder != "abi" and not is_test(path):
            self.report(path, 1, f"declares nothing in namespace {own}")

    def check_outside(self, path):
        """cli, examples and the public headers know <krepis/...> and their own files, nothing of src/."""
        top = path.relative_to(self.root).parts[0]
        for number, quote, name in self.includes(path):
            if ".." in pathlib.PurePosixPath(name).parts:
                self.report(path, number, f'"{name}": no ../')
            elif quote == '"' and not (top == "cli" and name.startswith("cli/")) and not is_test(path):
                self.report(path, number, f'"{name}": {top} knows the public headers only')


class SelfTest(unittest.TestCase):
    def errors(self, path, text):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, content in {"src/quic/wire/x.hpp": "#pragma once\nnamespace knul::quic {\n}\n", path: text}.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(content, encoding="utf-8")
            checker = Checker(root)
            checker.run()
            return checker.errors

    def assert_refused(self, path, text, words):
        errors = self.errors(path, text)
        self.assertEqual(len(errors), 1, errors)
        self.assertIn(words, errors[0])

    quic = "namespace knul::quic {\n}\n"

    def test_accepts_an_arrow(self):
        self.assertEqual(self.errors("src/quic/wire/y.cpp", '#include "base/time.hpp"\n#include <vector>\n' + self.quic), [])

    def test_refuses_udp_in_quic(self):
        self.assert_refused("src/quic/wire/y.cpp", '#include "udp/socket.hpp"\n' + self.quic, "must not know udp")

    def test_accepts_an_arrow_between_rooms(self):
        text = '#include "quic/wire/x.hpp"\n' + self.quic
        self.assertEqual(self.errors("src/quic/connection/y.cpp", text), [])
        self.assertEqual(self.errors("src/server/y.cpp", '#include "quic/wire/x.hpp"\nnamespace knul::server {\n}\n'), [])

    def test_refuses_an_upward_arrow_between_rooms(self):
        for room in ("endpoint", "connection", "stream", "memory"):
            text = f'#include "quic/{room}/y.hpp"\n' + self.quic
            self.assert_refused("src/quic/wire/y.cpp", text, f"quic/wire must not know quic/{room}")
            self.assert_refused("src/quic/wire/y_test.cpp", text, f"quic/wire must not know quic/{room}")

    def test_lets_tests_include_what_their_room_includes_in_turn(self):
        text = '#include "quic/stream/y.hpp"\n' + self.quic
        self.assertEqual(self.errors("src/quic/endpoint/y_test.cpp", text), [])
        self.assert_refused("src/quic/endpoint/y.cpp", text, "quic/endpoint must not know quic/stream")

    def test_refuses_sources_and_includes_beside_the_rooms(self):
        self.assert_refused("src/quic/y.cpp", self.quic, "put it into one of")
        self.assert_refused("src/quic/other/y.cpp", self.quic, "put it into one of")
        self.assert_refused("src/server/y.cpp", '#include "quic/y.hpp"\nnamespace knul::server {\n}\n', "quic/folder/file.hpp")

    def test_refuses_parent_folders(self):
        self.assert_refused("src/quic/wire/y.cpp", '#include "../base/time.hpp"\n' + self.quic, "never with ../")

    def test_refuses_includes_without_a_folder(self):
        self.assert_refused("src/quic/wire/y.cpp", '#include "z.hpp"\n' + self.quic, "folder/file.hpp")

    def test_lets_the_folders_that_call_the_system_include_posix(self):
        for folder in ("udp", "runtime", "channel", "service", "server"):
            text = f'#include "posix/y.hpp"\nnamespace knul::{folder} {{\n}}\n'
            self.assertEqual(self.errors(f"src/{folder}/y.cpp", text), [])

    def test_refuses_posix_in_the_folders_that_call_nothing(self):
        self.assert_refused("src/quic/wire/y.cpp", '#include "posix/y.hpp"\n' + self.quic, "must not know posix")
        for folder in ("base", "stats", "abi"):
            text = f'#include "posix/y.hpp"\nnamespace knul::{folder} {{\n}}\n'
            self.assert_refused(f"src/{folder}/y.cpp", text, f"{folder} must not know posix")

    def test_refuses_an_upward_arrow_from_posix(self):
        for folder in ("stats", "udp", "quic", "runtime", "server", "channel", "service", "abi"):
            text = f'#include "{folder}/y.hpp"\nnamespace knul::posix {{\n}}\n'
            self.assert_refused("src/posix/y.cpp", text, f"posix must not know {folder}")

    def test_accepts_system_headers_in_posix_and_not_below_it(self):
        text = "#pragma once\n#include <unistd.h>\nnamespace knul::{} {{\n}}\n"
        self.assertEqual(self.errors("src/posix/y.hpp", text.format("posix")), [])
        self.assert_refused("src/base/y.hpp", text.format("base"), "asks the system for nothing")

    def test_refuses_a_second_wrapper_of_what_posix_wraps(self):
        for header in ("sys/mman.h", "sys/eventfd.h", "sys/random.h"):
            text = f"#include <{header}>\nnamespace knul::channel {{\n}}\n"
            self.assert_refused("src/channel/y.cpp", text, "posix has the one wrapper of it")
            self.assertEqual(self.errors("src/channel/y_test.cpp", text), [])

    def test_refuses_udp_in_runtime(self):
        text = '#include "udp/udp_socket.hpp"\nnamespace knul::runtime {\n}\n'
        self.assert_refused("src/runtime/y.cpp", text, "runtime must not know udp")

    def test_refuses_system_headers_in_sans_io_folders(self):
        for header in ("thread", "sys/epoll.h", "fstream", "mutex", "unistd.h"):
            self.assert_refused("src/quic/wire/y.cpp", f"#include <{header}>\n" + self.quic, "asks the system for nothing")

    def test_refuses_ngtcp2_outside_quic(self):
        self.assert_refused("src/server/y.cpp", "#include <ngtcp2/ngtcp2.h>\nnamespace knul::server {\n}\n", "stay in quic")

    def test_refuses_ngtcp2_names_outside_quic(self):
        text = "namespace knul::server {\n// ngtcp2_x is fine here\nngtcp2_conn_info info;\n}\n"
        self.assert_refused("src/server/y.cpp", text, "ngtcp2_conn_info")

    def test_refuses_a_foreign_namespace(self):
        self.assert_refused("src/quic/wire/y.cpp", self.quic + "namespace knul::udp {\n}\n", "namespace knul::udp")

    def test_refuses_a_file_without_its_namespace(self):
        self.assert_refused("src/quic/wire/y.cpp", "int x;\n", "declares nothing")

    def test_refuses_another_first_include(self):
        self.assert_refused("src/quic/wire/x.cpp", '#include <vector>\n#include "quic/wire/x.hpp"\n' + self.quic, "first include")

    def test_refuses_a_header_without_pragma_once(self):
        self.assert_refused("src/quic/wire/y.hpp", self.quic, "#pragma once")

    def test_refuses_an_unknown_folder(self):
        self.assert_refused("src/common/y.hpp", "#pragma once\n", "has no arrows")

    def test_refuses_internals_in_cli(self):
        self.assert_refused("cli/main.cpp", '#include "server/server.hpp"\n', "public headers only")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        unittest.main(argv=[sys.argv[0]])
    checker = Checker(arguments.root)
    count = checker.run()
    if count == 0:
        checker.errors.append("no source files found")
    for error in checker.errors:
        print(error)
    print(f"{count} files, {len(checker.errors)} errors")
    return 1 if checker.errors else 0


if __name__ == "__main__":
    sys.exit(main())
