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
    "conformance": "Frames and parameters that violate the RFCs",
    "packets": "Malformed packets",
    "crypto": "Endless CRYPTO data",
    "handshakes": "Handshakes without a purpose",
    "frames": "Cheap frames in bulk",
    "streams": "Short-lived streams",
    "memory": "Peers that make the server keep memory",
    "tokens": "Address tokens",
    "paths": "Forged source addresses",
    "host": "Descriptors of the program",
}

HEAD = """# Reliability: attacks and their effects

`make test-stress` runs `tests/attack` in full size and writes this page to `build/reliability.md`. `make test` runs the
same rows with smaller counts.

The clients are forged: after real handshakes they send any frame in any packet of any level. They use GnuTLS and none
of the server's code. The server is another process with `libknul.so` and real sockets on the loopback interface. Its
counters report the statistics; the kernel reports memory (after freed memory was returned), descriptors and threads.

Beside each attack a well-behaved client, the oracle, makes 20 requests a second from another address, with a new
handshake every 20. It must not fail once. Its p99 must be below five times its p99 without an attack, or 50 ms if that
is more. The attack, the oracle and the server share the machine's CPUs, so the bound also includes twice the p99 of a
datagram between two threads during the attack, and varies. A row that misses only this bound runs again, at most twice;
the last column names the try if it is not the first. Rows without an oracle check close codes, or start servers of
their own.

Other tests: `make fuzz` runs coverage-guided fuzzing of datagrams, frames, tokens, settings, and the memory and calls
of a channel ([fuzz/README.md](../fuzz/README.md)); every build replays its corpus. A client cannot forge a token from
the future, because each start of a server seals its time with a new key; `quic/wire/address_tokens_test.cpp` tests a
token of a worker whose clock is ahead. The server does not offer 0-RTT, so there is nothing to replay. In `make test`,
AddressSanitizer and ThreadSanitizer run a quarter of the short form.

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
