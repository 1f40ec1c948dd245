#!/usr/bin/env python3
"""Measures the knul server: transfer, requests, handshakes, idle memory, beside the ceiling of the machine.

Server and client are processes of their own, pinned to different cores; every figure is the median of
alternating runs, the server's CPU time comes from the kernel's accounting of its process.
Prints one table and writes build/bench.json.
    bench/run.py [--runs 5] [--bin build/release] [--quick]
"""
import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile

from processes import cpu_seconds, resident_bytes, run_json

GIB = 1 << 30


class Server:
    def __init__(self, knul, folder, service, extra=()):
        self.process = subprocess.Popen(
            ["taskset", "-c", "0", knul, "serve", "--service", service, "--json", "--port", "0", "--workers", "1",
             "--cert", f"{folder}/cert.pem", "--key", f"{folder}/key.pem", *extra],
            stdout=subprocess.PIPE, text=True)
        event = json.loads(self.process.stdout.readline())
        self.port = event["port"]
        self.pid = event["pid"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.stdout.read()
        self.process.wait(timeout=30)


def client(knul, port, *flags):
    return run_json(["taskset", "-c", "1", knul, "perf", f"127.0.0.1:{port}", "--insecure", "--json", *flags])


def run_ceiling(bins, size):
    return run_json([f"{bins}/bench/ceiling", str(size), "0", "1"])


def run_client(knul, server, units, *flags):
    before = cpu_seconds(server.pid)
    report = client(knul, server.port, *flags)
    report["server_cpu_per_unit"] = (cpu_seconds(server.pid) - before) / units
    return report


def measure_idle(bins, knul, folder, count):
    with Server(knul, folder, "echo", ["--idle-timeout-ms", "600000"]) as server:
        before = resident_bytes(server.pid, "Pss_Anon")
        holder = subprocess.Popen(["taskset", "-c", "1", f"{bins}/bench/idle_client", str(server.port), str(count)],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if holder.stdout.readline().strip() != "ready":
            raise RuntimeError("idle_client could not open its connections")
        after = resident_bytes(server.pid, "Pss_Anon")
        holder.stdin.close()
        holder.wait(timeout=60)
    return (after - before) / count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--bin", default="build/release")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work: to try the benchmark, not the server")
    options = parser.parse_args()
    scale = 10 if options.quick else 1
    knul = f"{options.bin}/cli/knul"
    size = 2 * GIB // scale
    requests = 400_000 // scale
    handshakes = 3_000 // scale
    rows = {name: [] for name in ("ceiling", "down", "up", "requests", "requests16", "single", "handshakes", "handshakes16")}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([knul, "cert", "--out", folder], check=True, stdout=subprocess.DEVNULL)
        with Server(knul, folder, "perf", ["--max-streams", "1000"]) as server:
            for run in range(options.runs):
                print(f"run {run + 1} of {options.runs}", file=sys.stderr)
                rows["ceiling"].append(run_ceiling(options.bin, size))
                rows["down"].append(run_client(knul, server, size / GIB, "--download", str(size)))
                rows["up"].append(run_client(knul, server, size / GIB, "--upload", str(size)))
                rows["requests"].append(run_client(knul, server, requests, "--requests", str(requests), "--depth", "64"))
                rows["requests16"].append(run_client(knul, server, requests, "--requests", str(requests), "--depth", "64",
                                                     "--connections", "16"))
                rows["single"].append(run_client(knul, server, requests // 20, "--requests", str(requests // 20),
                                                 "--depth", "1"))
                rows["handshakes"].append(run_client(knul, server, handshakes, "--handshakes", str(handshakes)))
                rows["handshakes16"].append(run_client(knul, server, handshakes, "--handshakes", str(handshakes),
                                                       "--parallel", "16"))
        idle = {count: measure_idle(options.bin, knul, folder, count) for count in (1_000, 10_000 // scale)}
    report(rows, idle, options)


def report(rows, idle, options):
    def median(name, key):
        return statistics.median(row[key] for row in rows[name])

    def spread(name, key, factor):
        values = [row[key] * factor for row in rows[name]]
        return f"{min(values):,.2f} to {max(values):,.2f}"

    ceiling = median("ceiling", "gbit_s")
    lines = [("measure", "median", "min to max", "server CPU", "to the ceiling")]
    lines.append(("ceiling without QUIC, Gbit/s", f"{ceiling:.2f}", spread("ceiling", "gbit_s", 1),
                  f"{median('ceiling', 'sender_cpu_s_gib'):.2f} send, {median('ceiling', 'receiver_cpu_s_gib'):.2f} receive s/GiB",
                  "1.00"))
    for name, title in (("down", "one stream down, Gbit/s"), ("up", "one stream up, Gbit/s")):
        rate = median(name, "gbit_per_second")
        lines.append((title, f"{rate:.2f}", spread(name, "gbit_per_second", 1),
                      f"{median(name, 'server_cpu_per_unit'):.2f} s/GiB", f"{rate / ceiling:.2f}"))
    for name, title in (("requests", "requests/s, 64 B to 1 KiB, 1 connection, 64 in flight"),
                        ("requests16", "requests/s, 16 connections, 64 in flight each"),
                        ("single", "requests/s, one at a time")):
        lines.append((title, f"{median(name, 'requests_per_second'):,.0f}", spread(name, "requests_per_second", 1),
                      f"{median(name, 'server_cpu_per_unit') * 1e6:.2f} µs each", ""))
    lines.append(("one request at a time, p50 µs", f"{median('single', 'p50_us'):.0f}", spread("single", "p50_us", 1), "", ""))
    for name, title in (("handshakes", "full handshakes/s, one at a time"),
                        ("handshakes16", "full handshakes/s, 16 at a time")):
        lines.append((title, f"{median(name, 'handshakes_per_second'):,.0f}",
                      spread(name, "handshakes_per_second", 1),
                      f"{median(name, 'server_cpu_per_unit') * 1e6:.0f} µs each", ""))
    for count, size in idle.items():
        lines.append((f"memory of an idle connection of {count:,}, KB", f"{size / 1024:.1f}", "", "", ""))
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    os.makedirs("build", exist_ok=True)
    with open("build/bench.json", "w") as file:
        json.dump({"machine": platform.processor() or platform.machine(), "kernel": platform.release(),
                   "runs": options.runs, "rows": rows, "idle_bytes": idle}, file, indent=1)


if __name__ == "__main__":
    main()
