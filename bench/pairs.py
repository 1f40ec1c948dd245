#!/usr/bin/env python3
"""Compares the server of two builds by the CPU time that the same work costs.

The speed of a virtual machine drifts by a third within minutes, so medians of long runs say little. Here runs take a
tenth of a second and alternate, and a ratio is made of four that follow each other. Servers start anew every eight
pairs, because their place in memory matters. Both have the client of the old build, one worker, and a CPU of their own.
    bench/pairs.py OLD NEW [--pairs 32] [--only up,requests_16x64,...]     two build folders, such as build/release
"""
import argparse
import os

from suite.pairs import compare, table_of, works
from suite.suite import Suite


def suite_of(folder):
    return Suite(argparse.Namespace(bin=folder, runs=1, quick=False))


def main():
    known = works()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", help="folder of the build to compare with")
    parser.add_argument("new", help="folder of the build to judge")
    parser.add_argument("--pairs", type=int, default=32, help="ratios of each work")
    parser.add_argument("--only", default=",".join(known), metavar="NAME,...", help="some of %(default)s")
    options = parser.parse_args()
    names = options.only.split(",")
    if options.pairs < 1 or not set(names) <= set(known):
        parser.error(f"expected at least one pair, and some of {', '.join(known)}")
    for folder in (options.old, options.new):
        if not os.access(f"{folder}/cli/knul", os.X_OK):
            parser.error(f"{folder}: expected a build folder with cli/knul in it")
    with suite_of(options.old) as old, suite_of(options.new) as new:
        print(table_of(compare(old, new, [known[name] for name in names], options.pairs)))


if __name__ == "__main__":
    main()
