#!/usr/bin/env python3
"""Replaces the certificate of a server many times while clients make handshakes, and counts those that fail.

Two certificates change places: both files are replaced, then SIGHUP. Target: at 1,000 handshakes a second none fails.
    bench/reloads.py [--reloads 100] [--parallel 32] [--workers 1] [--bin build/release]
"""
import argparse
import json
import os
import signal
import subprocess
import threading

from suite.clients import perf
from suite.servers import KnulServer
from suite.suite import Suite

SECONDS = 10


def make_identities(suite):
    """Two folders with a certificate each."""
    folders = [f"{suite.folder}/{name}" for name in ("first", "second")]
    for folder in folders:
        subprocess.run([suite.knul, "cert", "--out", folder], check=True, stdout=subprocess.DEVNULL)
    return folders


def replace(source, target):
    """Replaces each file atomically, first the certificate, then the key."""
    for name in ("cert.pem", "key.pem"):
        with open(f"{source}/{name}", "rb") as file, open(f"{target}/{name}.new", "wb") as new:
            new.write(file.read())
        os.rename(f"{target}/{name}.new", f"{target}/{name}")


def wait_for(server, event):
    for line in server.process.stdout:
        found = json.loads(line)
        if found["event"] == event:
            return found
        if found["event"] == "reload_failed":
            raise RuntimeError(line)
    raise RuntimeError("the server has ended")


class Reloads(threading.Thread):
    """Reloads at equal intervals over the time of a measurement."""

    def __init__(self, server, suite, identities, count):
        super().__init__()
        self.server, self.suite, self.identities, self.count = server, suite, identities, count
        self.done = 0
        self.over = threading.Event()

    def run(self):
        while self.done < self.count and not self.over.wait(SECONDS / self.count * 0.9):
            replace(self.identities[self.done % 2], self.suite.folder)
            self.server.process.send_signal(signal.SIGHUP)
            wait_for(self.server, "reloaded")
            self.done += 1


def measure(suite, server, reloads, parallel):
    """Runs the handshakes and returns the client's result and the server's statistics."""
    reloads.start()
    result = perf(suite, server, ["--handshakes", "0", "--duration", str(SECONDS), "--parallel", str(parallel)])
    reloads.over.set()
    reloads.join()
    server.process.send_signal(signal.SIGUSR1)
    return result, wait_for(server, "stats")["stats"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reloads", type=int, default=100)
    parser.add_argument("--parallel", type=int, default=32, help="handshakes at the same time")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--bin", default="build/release", help="folder of the build to measure")
    options = parser.parse_args()
    with Suite(argparse.Namespace(bin=options.bin, runs=1, quick=False)) as suite:
        identities = make_identities(suite)
        with KnulServer(suite, workers=options.workers) as server:
            for count in (0, options.reloads):
                reloads = Reloads(server, suite, identities, count)
                result, stats = measure(suite, server, reloads, options.parallel)
                failed = {name: value for name, value in stats.items() if "failed" in name and value > 0}
                print(f"{reloads.done} reloads: {result['handshakes_per_second']:,.0f} handshakes a second, "
                      f"{result['failed']} failed, p99 {result['p99_us'] / 1e3:.1f} ms; the server since its start: "
                      f"{json.dumps(failed)}, generation {stats['certificate_generation']}", flush=True)


if __name__ == "__main__":
    main()
