#!/usr/bin/env python3
"""Measures the answers of the admin listener while connections are open and idle.

For each path the time of an answer as its client sees it, over one TCP connection, and the CPU time of the whole
server. Target: a scrape of /metrics takes 5 ms at most with 10,000 connections.
    bench/scrapes.py [--connections 0,10000] [--answers 200] [--workers 1] [--bin build/release]
"""
import argparse
import http.client
import statistics
import time

from suite.clients import Holders
from suite.processes import cpu_seconds
from suite.servers import KnulServer
from suite.suite import Suite

PATHS = ("/metrics", "/stats", "/connections?sort=bytes_sent&descending=true&limit=50")
SLOW_PATH_PAUSE_SECONDS = 0.1  # the listener answers ten lists a second


def ask(listener, path):
    listener.request("GET", path)
    answer = listener.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {body!r}")
    return len(body)


def measure(server, path, answers):
    """Milliseconds of each answer, CPU milliseconds of the server per answer, and the bytes of the last answer."""
    listener = http.client.HTTPConnection(server.listening["admin"], timeout=30)
    pause = SLOW_PATH_PAUSE_SECONDS if path.startswith("/connections") else 0
    times, size, cpu = [], 0, 0
    for _ in range(answers):
        cpu_before, begun_at = cpu_seconds(server.pid), time.perf_counter()
        size = ask(listener, path)
        times.append((time.perf_counter() - begun_at) * 1e3)
        cpu += cpu_seconds(server.pid) - cpu_before
        time.sleep(pause)
    listener.close()
    return times, cpu / answers * 1e3, size


def row(count, path, answers, server):
    times, cpu, size = measure(server, path, answers)
    p99 = statistics.quantiles(times, n=100)[98]
    return (f"{count:>11,}  {path.partition('?')[0]:12} {statistics.median(times):7.2f} {p99:7.2f} {max(times):7.2f} "
            f"{cpu:7.2f} {size / 1e3:7.1f}")


def measure_count(suite, count, options):
    settings = ("--admin", "127.0.0.1:0")
    with KnulServer(suite, workers=options.workers, settings=settings) as server:
        if count == 0:
            return [row(count, path, options.answers, server) for path in PATHS]
        with Holders(suite, server, count):
            return [row(count, path, options.answers, server) for path in PATHS]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", default="0,10000", metavar="N,...", help="how many are open, in turns")
    parser.add_argument("--answers", type=int, default=200, help="of each path")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--bin", default="build/release", help="folder of the build to measure")
    options = parser.parse_args()
    if options.answers < 2:
        parser.error("--answers: expected 2 at least")
    print("connections  path          median     p99     max     CPU      KB   (ms an answer)")
    with Suite(argparse.Namespace(bin=options.bin, runs=1, quick=False)) as suite:
        for count in map(int, options.connections.split(",")):
            print("\n".join(measure_count(suite, count, options)), flush=True)


if __name__ == "__main__":
    main()
