#!/usr/bin/env python3
"""Refuses a source file of 600 lines or more: past that it is split by idea."""
import argparse
import pathlib
import sys
import tempfile
import unittest

LIMIT_LINES = 600
FOLDERS = ("include", "src", "cli", "tests", "fuzz", "bench", "examples", "cmake", "scripts", "packages")
SUFFIXES = (".h", ".hpp", ".c", ".cpp", ".py", ".sh", ".cmake", ".mjs", ".js", ".ts")


def check(root):
    """The number of files read, and an error per file that is too long."""
    count, errors = 0, []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in SUFFIXES or "node_modules" in path.parts or not path.is_file():
                continue
            count += 1
            lines = len(path.read_bytes().splitlines())
            if lines >= LIMIT_LINES:
                errors.append(f"{path.relative_to(root)}: {lines} lines, the limit is {LIMIT_LINES}")
    return count, errors


class SelfTest(unittest.TestCase):
    def errors(self, lines):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "src", "base", "x.cpp")
            path.parent.mkdir(parents=True)
            path.write_text("\n" * lines, encoding="utf-8")
            return check(pathlib.Path(folder))[1]

    def test_accepts_599_lines(self):
        self.assertEqual(self.errors(599), [])

    def test_refuses_600_lines(self):
        self.assertEqual(len(self.errors(600)), 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        unittest.main(argv=[sys.argv[0]])
    count, errors = check(arguments.root)
    if count == 0:
        errors.append("no files found")
    for error in errors:
        print(error)
    print(f"{count} files, {len(errors)} errors")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
