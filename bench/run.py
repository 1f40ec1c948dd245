#!/usr/bin/env python3
"""Measures the knul server as a whole: transfer, requests, handshakes, memory, scaling; beside the machine's ceiling.

Server and client are processes of their own, the server on CPU 0, the client on CPU 1. Figures are medians of
alternating runs; CPU is the server's, from its CPU clock, over the measured time. Prints one table and writes
build/bench.json and a plot of it, build/bench.svg.
    bench/run.py [--runs 5] [--bin build/release] [--quick] [--only transfer,requests,...]
"""
import argparse
import json
import sys

from plot import write_plot
from suite.figures import Results
from suite.measurements import MEASUREMENTS
from suite.suite import Suite, machine
from suite.table import table


def names(text):
    chosen = text.split(",")
    if unknown := set(chosen) - set(MEASUREMENTS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: expected some of {', '.join(MEASUREMENTS)}")
    return chosen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--bin", default="build/release", help="folder of the build to measure")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work: to try the benchmark, not the server")
    parser.add_argument("--only", type=names, default=list(MEASUREMENTS), metavar="NAME,...",
                        help=f"some of {', '.join(MEASUREMENTS)}")
    parser.add_argument("--out", default="build/bench.json")
    options = parser.parse_args()
    results = Results()
    with Suite(options) as suite:
        for name, measure in MEASUREMENTS.items():
            if name in options.only:
                measure(suite, results)
    print(table(results))
    document = {**machine(suite), **results.as_json()}
    with open(options.out, "w") as file:
        json.dump(document, file, indent=1)
    write_plot(document, options.out.removesuffix(".json") + ".svg")
    print(f"bench: {options.out} and its plot are written", file=sys.stderr)


if __name__ == "__main__":
    main()
