#!/usr/bin/env python3
"""Runs a Ninja build and tells how far it is, a line every 20 seconds at most.

show_build.py NAME COMMAND...   NAME stands in each line; the exit code is the command's.
What the compilers print is passed on.
"""
import os
import re
import subprocess
import sys
import time
import unittest

STATUS = re.compile(r"^\[(\d+)/(\d+)\] ")
SECONDS_BETWEEN_LINES = 20


class Progress:
    """Turns the lines of a build into those to print."""

    def __init__(self, name, clock=time.monotonic):
        self.name = name
        self.clock = clock
        self.begin = self.told_at = clock()
        self.done = self.all = 0

    def lines_for(self, line):
        match = STATUS.match(line)
        if not match:
            return [] if line.startswith("ninja: no work to do") else [line]
        self.done, self.all = int(match[1]), int(match[2])
        if self.clock() - self.told_at < SECONDS_BETWEEN_LINES:
            return []
        self.told_at = self.clock()
        return [self.line()]

    def line(self):
        minutes, seconds = divmod(int(self.clock() - self.begin), 60)
        return f"== {self.name}: built {self.done} of {self.all}, {minutes} min {seconds:02} s"


def run(name, command):
    progress = Progress(name)
    environment = dict(os.environ, NINJA_STATUS="[%f/%t] ")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=environment
    ) as build:
        for line in build.stdout:
            for shown in progress.lines_for(line.rstrip("\n")):
                print(shown, flush=True)
    print(progress.line(), flush=True)
    return build.returncode


class SelfTest(unittest.TestCase):
    def setUp(self):
        self.now = 100
        self.progress = Progress("dev", lambda: self.now)

    def after(self, seconds, line):
        self.now += seconds
        return self.progress.lines_for(line)

    def test_tells_how_far_it_is_once_in_a_while(self):
        self.assertEqual(self.after(1, "[1/30] Building a"), [])
        self.assertEqual(self.after(24, "[2/30] Building b"), ["== dev: built 2 of 30, 0 min 25 s"])
        self.assertEqual(self.after(1, "[3/30] Building c"), [])
        self.assertEqual(self.after(60, "[4/30] Building d"), ["== dev: built 4 of 30, 1 min 26 s"])

    def test_passes_on_what_a_compiler_says(self):
        self.assertEqual(self.after(0, "x.cpp:1:2: error: y"), ["x.cpp:1:2: error: y"])

    def test_gives_the_exit_code_of_the_command(self):
        command = [sys.executable, "-c", "import sys; sys.exit(7)"]
        stdout, sys.stdout = sys.stdout, open(os.devnull, "w", encoding="utf-8")
        try:
            self.assertEqual(run("dev", command), 7)
        finally:
            sys.stdout.close()
            sys.stdout = stdout


def main():
    if sys.argv[1:] == ["--self-test"]:
        unittest.main(argv=[sys.argv[0]])
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    return run(sys.argv[1], sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
