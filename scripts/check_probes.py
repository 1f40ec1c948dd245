#!/usr/bin/env python3
"""Checks that a library or command has the probes of src/base/probes.hpp, by the notes that tracers read.
check_probes.py FILE... | --self-test"""
import re
import subprocess
import sys
import unittest

# The number of arguments of each.
PROBES = {"connection__opened": 4, "connection__closed": 4, "packet__dropped": 1, "server__drain": 2}
NOTE = re.compile(r"Provider: (\S+)\s+Name: (\S+)\s+Location: [^\n]*\n\s+Arguments: ([^\n]*)")
ARGUMENT = re.compile(r"-?[1248]@\S+")  # size and place, such as -8@%rax


def problems_of(notes):
    """What is wrong with the output of `readelf -n`."""
    found = {}
    for provider, name, arguments in NOTE.findall(notes):
        if provider == "knul":
            found.setdefault(name, []).append(arguments.split())
    problems = [f"no probe {name}" for name in PROBES if name not in found]
    problems += [f"unknown probe {name}" for name in found if name not in PROBES]
    for name, sites in found.items():
        for arguments in sites:
            if len(arguments) != PROBES.get(name) or not all(map(ARGUMENT.fullmatch, arguments)):
                problems.append(f"probe {name} has the arguments {arguments}, expected {PROBES.get(name)}")
    return problems


class SelfTest(unittest.TestCase):
    @staticmethod
    def notes(**counts):
        return "".join(
            f"  stapsdt  0x00000046\tNT_STAPSDT (SystemTap probe descriptors)\n    Provider: knul\n    Name: {name}\n"
            f"    Location: 0x01, Base: 0x02, Semaphore: 0x00\n    Arguments: {' '.join(['-8@%rax'] * count)}\n"
            for name, count in counts.items())

    def test_accepts_all_probes(self):
        self.assertEqual(problems_of(self.notes(**PROBES)), [])

    def test_refuses_missing_unknown_and_changed_probes(self):
        self.assertEqual(len(problems_of("")), len(PROBES))
        self.assertEqual(problems_of(self.notes(**PROBES, other=1))[0], "unknown probe other")
        self.assertEqual(len(problems_of(self.notes(**{**PROBES, "server__drain": 3}))), 1)
        self.assertEqual(len(problems_of(self.notes(**PROBES).replace("-8@%rax", "%rax"))), len(PROBES))


def main():
    if sys.argv[1:] == ["--self-test"]:
        unittest.main(argv=sys.argv[:1])
    failed = False
    for path in sys.argv[1:]:
        notes = subprocess.run(["readelf", "-nW", path], capture_output=True, text=True, check=True).stdout
        for problem in problems_of(notes):
            print(f"{path}: {problem}")
            failed = True
    sys.exit(failed)


if __name__ == "__main__":
    main()
