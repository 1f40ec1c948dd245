#!/usr/bin/env python3
"""Makes docs/reliability.md of what `knul_attack --full --json FILE` wrote: one row for each attack.

Usage: attack_report.py FILE [--date YYYY-MM-DD] > docs/reliability.md
"""
import argparse
import datetime
import json
import pathlib
import sys

GROUPS = {
    "conformance": "Frames and parameters that the RFCs forbid",
    "packets": "Malformed packets",
    "crypto": "CRYPTO without end",
    "handshakes": "Handshakes that nobody means",
    "frames": "Cheap frames in bulk",
    "streams": "Streams opened to be ended",
    "memory": "Peers that make the server keep something",
    "tokens": "Address tokens",
    "paths": "Forged source addresses",
    "host": "Descriptors of the program",
}

HEAD = """# Reliability: attacks and what they did

Made by `make test-stress`, which runs `tests/attack` in full size and writes this page to `build/reliability.md`. `make
test` runs the same rows with smaller counts.

The clients are forged: real handshakes, then any frame in any packet of any level, on GnuTLS alone, without the
server's own code. The server is another process with `libknul.so` and real sockets on the loopback interface; statistics
come from its own counters, memory (after freed memory went back), descriptors and threads from the kernel.

Beside each attack a well-behaved client, the oracle, makes 20 requests a second from another address, with a fresh
handshake every 20. It may not fail once. Its p99 is bounded by five times its p99 without an attack, at least 50 ms. The
attack, the oracle and the server share the machine's CPUs, so twice the p99 of a datagram between two threads beside the
attack is added to the bound, and the bound that is shown varies. A row that misses this bound and no other is run again,
at most twice; the last column names the try if it is not the first. Rows without an oracle show close codes, or bring
servers of their own.

Elsewhere: coverage-guided fuzzing of datagrams, frames, tokens, settings, and of the memory and the calls of a channel is
`make fuzz` ([fuzz/README.md](../fuzz/README.md)); every build replays its corpus. A token from the future cannot come from
outside, because its time is sealed with a key that each start of a server makes anew; `quic/wire/address_tokens_test.cpp`
has one of a worker whose clock is ahead. 0-RTT is not offered, so there is nothing to replay. AddressSanitizer and
ThreadSanitizer see a quarter of the short form in `make test`.

Measured on {date}, on {cpus} CPUs. Seed {seed}. {passed} of {total} rows hold{tries}.
"""


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def row_text(row):
    checks = row.get("checks", [])
    bounds = "; ".join(f"{check['what']} {check['bound']}" for check in checks if check["bound"])
    measured = "; ".join(f"{check['what']} {check['measured']}" for check in checks)
    verdict = "holds" if row["passed"] else "**does not hold**"
    if row["tries"] > 1:
        verdict += f", try {row['tries']}"
    return f"| {cell(row['attack'])} | {cell(bounds)} | {cell(measured)} | {verdict} |"


def report(results, date):
    rows = results["rows"]
    passed = sum(row["passed"] for row in rows)
    again = sum(row["tries"] > 1 for row in rows)
    lines = [HEAD.format(date=date, cpus=results["cpus"], seed=results["seed"], passed=passed, total=len(rows),
                         tries=f", {again} of them not at the first try" if again else "")]
    if not results["is_complete"]:
        lines += ["**The run was cut off: rows are missing.**", ""]
    for group in dict.fromkeys(row["group"] for row in rows):
        lines += [f"## {GROUPS.get(group, group)}", "", "| attack | bounds | measured | |", "|---|---|---|---|"]
        lines += [row_text(row) for row in rows if row["group"] == group] + [""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--date", default=datetime.date.today().isoformat())
    arguments = parser.parse_args()
    results = json.loads(arguments.file.read_text(encoding="utf-8"))
    if results["form"] != "full":
        sys.exit(f"{arguments.file}: of the short form; the report needs --full")
    sys.stdout.write(report(results, arguments.date))


if __name__ == "__main__":
    main()
