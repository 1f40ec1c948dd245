#!/usr/bin/env python3
"""Measures the knul server as a whole: transfer, requests, handshakes, memory, scaling; beside the machine's ceiling.

Server and client are processes of their own, the server on CPU 0, the client on CPU 1. Figures are medians of
alternating runs; CPU is the server's, from its CPU clock, over the measured time. Prints one table and writes
build/bench.json and a plot of it, build/bench.svg.
    bench/run.py [--runs 5] [--bin build/release] [--quick] [--only transfer,requests,...]
"""
import json
import sys

from plot import write_plot
from suite.figures import Results
from suite.measurements import MEASUREMENTS
from suite.suite import Suite, machine, parse_options
from suite.table import table


def main():
    options = parse_options(__doc__, MEASUREMENTS)
    results = Results()
    with Suite(options) as suite:
        for name, measure in MEASUREMENTS.items():
            if name in options.only:
                measure(suite, results)
    print(table(results))
    document = {**machine(suite), **results.as_json()}
    with open("build/bench.json", "w") as file:
        json.dump(document, file, indent=1)
    write_plot(document, "build/bench.svg")
    print("bench: build/bench.json and build/bench.svg are written", file=sys.stderr)


if __name__ == "__main__":
    main()
