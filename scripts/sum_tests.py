#!/usr/bin/env python3
"""Adds up ctest's JUnit reports and prints `N passed, N failed[, N skipped]` alone on a line.

Exit code 1 when a test failed, a run broke without a failed test to show for it, or nothing ran.
"""
import argparse
import pathlib
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ET


class Totals:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def add_report(self, path):
        """A missing or unreadable report is a failure: its run ended before it could write one."""
        try:
            cases = ET.parse(path).getroot().iter("testcase")
        except (OSError, ET.ParseError) as error:
            self.fail(f"{path}: no report ({error})")
            return
        for case in cases:
            self.add_case(pathlib.Path(path).parent.name, case)

    def add_case(self, run, case):
        name = f"{run}: {case.get('name')}"
        status = case.get("status")
        skip = case.find("skipped")
        if status == "run" and case.find("failure") is None:
            self.passed += 1
        elif status == "disabled" or (skip is not None and (skip.get("message") or "").startswith("SKIP_")):
            self.skipped += 1
        else:  # failed, timed out, or its program is missing
            self.fail(name)

    def fail(self, name):
        self.failed += 1
        self.failures.append(name)

    def line(self):
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


def summarise(reports, broken_runs):
    totals = Totals()
    for report in reports:
        totals.add_report(report)
    if broken_runs and not totals.failed:
        totals.fail(f"{broken_runs} run(s) broke before or outside the tests")
    if totals.passed + totals.failed == 0:
        totals.fail("no test ran")
    return totals


class SelfTest(unittest.TestCase):
    def summary(self, *cases, broken_runs=0):
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write("<testsuite>" + "".join(cases) + "</testsuite>")
            file.flush()
            return summarise([file.name], broken_runs).line()

    passed = '<testcase name="a" status="run"/>'
    failed = '<testcase name="b" status="fail"><failure message="x"/></testcase>'
    skipped = '<testcase name="c" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/></testcase>'
    lost = '<testcase name="d" status="notrun"><skipped message="Unable to find executable"/></testcase>'

    def test_counts_each_kind(self):
        self.assertEqual(self.summary(self.passed, self.failed, self.skipped), "1 passed, 1 failed, 1 skipped")

    def test_counts_a_missing_program_as_failed(self):
        self.assertEqual(self.summary(self.passed, self.lost), "1 passed, 1 failed")

    def test_fails_when_nothing_ran(self):
        self.assertEqual(self.summary(), "0 passed, 1 failed")

    def test_fails_when_a_run_broke_without_a_failed_test(self):
        self.assertEqual(self.summary(self.passed, broken_runs=1), "1 passed, 1 failed")

    def test_fails_without_a_report(self):
        self.assertEqual(summarise(["/nonexistent/junit.xml"], 0).line(), "0 passed, 1 failed")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broken-runs", type=int, default=0)
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("reports", nargs="*")
    arguments = parser.parse_args()
    if arguments.self_test:
        unittest.main(argv=[sys.argv[0]])
    totals = summarise(arguments.reports, arguments.broken_runs)
    print()
    for name in totals.failures:
        print(f"FAILED {name}")
    print(totals.line())
    return 1 if totals.failed else 0


if __name__ == "__main__":
    sys.exit(main())
