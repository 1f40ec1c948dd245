#!/usr/bin/env python3
"""Measures a Deno program on the adapter beside the same program on Deno's built-in QUIC.

Both are driven by the same native client (`knul perf`), in alternating runs; every figure is a median. CPU seconds
are those of the server's process, from the kernel's accounting. The server may use every core, the client too.
Prints one table and writes build/bench-deno.json.
    bench/deno/run.py [--runs 5] [--bin build/release] [--workers 1] [--quick]
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
GIB = 1 << 30

sys.path.insert(0, os.path.dirname(HERE))
from suite.processes import cpu_seconds, resident_bytes, run_json  # noqa: E402
from suite.servers import DenoServer, deno_executable  # noqa: E402


def start(options, folder, kind, mode="streams"):
    """One of the two programs, from its first line to SIGTERM."""
    certificate = [f"{folder}/cert.pem", f"{folder}/key.pem"]
    library = {"KREPIS_LIBRARY": os.path.abspath(f"{options.bin}/libknul.so.1")}
    more = [str(options.workers), mode] if kind == "adapter" else []
    return DenoServer(options.deno, os.path.dirname(HERE), kind, [*certificate, *more], environment=library)


def measured(server, command):
    before = cpu_seconds(server.pid)
    report = run_json(command)
    report["server_cpu_s"] = cpu_seconds(server.pid) - before
    return report


def cases(options):
    """(title, mode of the adapter, flags of the client, the report's key, units of work)"""
    scale = 10 if options.quick else 1
    size, requests, handshakes = 2 * GIB // scale, 100_000 // scale, 3_000 // scale
    rows = [
        ("download, Gbit/s", "streams", ["--download", str(size)], "gbit_per_second", size / GIB),
        ("upload, Gbit/s", "streams", ["--upload", str(size)], "gbit_per_second", size / GIB),
    ]
    for connections, depth, part in ((1, 1, 10), (1, 64, 1), (16, 1, 1), (16, 64, 1)):
        count = requests // part
        flags = ["--requests", str(count), "--depth", str(depth), "--connections", str(connections)]
        title = f"requests/s, {connections} x {depth} in flight"
        rows.append((title, "requests", flags, "requests_per_second", count))
    title = "requests/s, 16 x 64 in flight, by onStream"
    flags = ["--requests", str(requests), "--depth", "64", "--connections", "16"]
    rows.append((title, "streams", flags, "requests_per_second", requests))
    flags = ["--handshakes", str(handshakes), "--parallel", "16"]
    rows.append(("handshakes/s", "requests", flags, "handshakes_per_second", handshakes))
    return rows


def measure_rows(options, folder, results):
    knul = f"{options.bin}/cli/knul"
    for run in range(options.runs):
        for title, mode, flags, key, units in cases(options):
            for kind in ("adapter", "builtin"):
                with start(options, folder, kind, mode) as server:
                    client = [knul, "perf", f"127.0.0.1:{server.port}", "--insecure", "--json"]
                    warm = ["--requests", "2000", "--depth", "16"]
                    run_json([*client, *warm])
                    report = measured(server, [*client, *flags])
                figures = results.setdefault(title, {}).setdefault(kind, [])
                figures.append({"value": report[key], "cpu_us_per_unit": report["server_cpu_s"] / units * 1e6,
                                "p50_us": report.get("p50_us")})
                print(f"run {run + 1}: {title}, {kind}: {report[key]:,.2f}", file=sys.stderr)
        measure_datagrams(options, folder, results)


def measure_datagrams(options, folder, results):
    seconds = "0.5" if options.quick else "3"
    for kind in ("adapter", "builtin"):
        with start(options, folder, kind) as server:
            client = [f"{options.bin}/bench/datagram_client", str(server.port), seconds, "64"]
            report = measured(server, client)
        figures = results.setdefault("datagrams/s there and back, 1,000 B", {}).setdefault(kind, [])
        figures.append({"value": report["datagrams_per_second"],
                        "cpu_us_per_unit": report["server_cpu_s"] / max(report["returned"], 1) * 1e6, "p50_us": None})


def measure_memory(options, folder, results):
    count = 1_000 if options.quick else 10_000
    knul = f"{options.bin}/cli/knul"
    for kind in ("adapter", "builtin"):
        with start(options, folder, kind, "requests") as server:
            before = resident_bytes(server.pid, "Rss")
            run_json([knul, "perf", f"127.0.0.1:{server.port}", "--insecure", "--json", "--handshakes", str(count),
                      "--parallel", "16"])
            after = resident_bytes(server.pid, "Rss")
        for title, value in ((f"memory after {count:,} handshakes, MB", after / 1e6),
                             ("of which they added, MB", (after - before) / 1e6)):
            results.setdefault(title, {})[kind] = [{"value": value, "cpu_us_per_unit": None, "p50_us": None}]


def median(rows, key):
    values = [row[key] for row in rows if row[key] is not None]
    return statistics.median(values) if values else None


def cpu_text(title, micros):
    if micros is None:
        return ""
    return f"{micros / 1e6:.2f} s/GiB" if "Gbit/s" in title else f"{micros:,.1f} us each"


def table(results):
    lines = [("measure", "adapter", "built-in", "factor", "CPU adapter", "CPU built-in", "p50 us")]
    for title, by_kind in results.items():
        ours, theirs = (median(by_kind[kind], "value") for kind in ("adapter", "builtin"))
        cpu = [median(by_kind[kind], "cpu_us_per_unit") for kind in ("adapter", "builtin")]
        p50 = [median(by_kind[kind], "p50_us") for kind in ("adapter", "builtin")]
        lines.append((title, f"{ours:,.2f}", f"{theirs:,.2f}", f"{ours / theirs:.2f}",
                      *(cpu_text(title, c) for c in cpu),
                      "" if None in p50 else f"{p50[0]:,.0f} / {p50[1]:,.0f}"))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--bin", default="build/release")
    parser.add_argument("--workers", type=int, default=1, help="network threads of the adapter's server")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work: to try the benchmark itself")
    options = parser.parse_args()
    options.deno = deno_executable()
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([f"{options.bin}/cli/knul", "cert", "--out", folder], check=True, stdout=subprocess.DEVNULL)
        measure_rows(options, folder, results)
        measure_memory(options, folder, results)
    print(table(results))
    os.makedirs("build", exist_ok=True)
    with open("build/bench-deno.json", "w") as file:
        json.dump({"machine": platform.machine(), "cores": os.cpu_count(), "kernel": platform.release(),
                   "runs": options.runs, "workers": options.workers, "results": results}, file, indent=1)


if __name__ == "__main__":
    main()
