#!/usr/bin/env python3
"""Measures the knul server beside other QUIC servers, each pair in alternating runs with the same client.

ngtcp2's own server speaks HTTP/3: downloads, handshakes with one small request, memory. Deno's built-in QUIC runs the
protocol perf (bench/deno/builtin_server.ts): transfers, requests, handshakes, memory. Servers are on CPU 0, clients
on CPU 1, one worker; a ratio is ours divided by the peer's. Prints a table for each peer and writes
build/bench-peers.json.
    bench/peers.py [--runs 5] [--bin build/release] [--quick] [--only ngtcp2,deno]
"""
import json
import os
import sys

from suite import work
from suite.clients import Holders, perf
from suite.figures import Results
from suite.processes import on_cpus, resident_bytes, run_json
from suite.servers import DenoServer, KnulServer, Ngtcp2Server, deno_executable
from suite.suite import Suite, machine, parse_options
from suite.table import peer_table

BENCH = os.path.dirname(os.path.abspath(__file__))
IDLE_CONNECTIONS = 1_000
SMALL_BYTES = 64  # the answer that shows that a handshake is complete


def download(suite, server, connections, parallel, size):
    """`connections` downloads of `size` bytes, by the client that speaks perf and HTTP/3."""
    return run_json(on_cpus("1", [f"{suite.bins}/bench/peer_client", str(server.port), server.alpn, str(server.pid),
                                  str(connections), str(parallel), str(size)]))


def measure_by_download(suite, server, side, results):
    size, count = 2 * work.GIB // suite.scale, 2_000 // suite.scale
    report = download(suite, server, 1, 1, size)
    title = "one stream down"
    results.add(f"{side}/down.rate", title, "Gbit/s", size * 8 / 1e9 / report["seconds"])
    results.add(f"{side}/down.cpu", title, "server s/GiB", report["server_cpu_seconds"] / size * work.GIB)
    for parallel in (1, 16):
        report = download(suite, server, count, parallel, SMALL_BYTES)
        title = f"handshake and one request, {parallel} at a time"
        results.add(f"{side}/handshakes_{parallel}.rate", title, "a second", count / report["seconds"])
        results.add(f"{side}/handshakes_{parallel}.cpu", title, "server µs each",
                    report["server_cpu_seconds"] / count * 1e6)


def measure_by_perf(suite, server, side, results):
    """What bench/run.py measures on one connection and on 16, with less work: the peer is slow."""
    wanted = ("down", "up", "requests_1x1", "requests_1x64", "requests_16x64", "handshakes_1", "handshakes_16")
    scale = suite.scale * 4
    for kind in (work.transfers(scale), work.requests(scale), work.handshakes(scale, False)):
        for item in kind:
            if item.name in wanted:
                work.record(results, item, perf(suite, server, item.flags), f"{side}/")


def measure_memory(suite, server, side, results):
    before = resident_bytes(server.pid, "Pss_Anon")
    with Holders(suite, server, IDLE_CONNECTIONS):
        added = resident_bytes(server.pid, "Pss_Anon") - before
    results.add(f"{side}/idle.fresh", f"idle connection, one of {IDLE_CONNECTIONS:,}", "KB", added / IDLE_CONNECTIONS / 1024)


def compare(suite, results, name, start_peer, measure):
    """Alternating runs on fresh servers: memory first, while nothing was allocated and freed."""
    for run in range(suite.runs):
        for side, start in (("knul", lambda: KnulServer(suite)), (name, start_peer)):
            suite.say(f"run {run + 1} of {suite.runs}: {side} against {name}" if side == "knul" else f"  {name}")
            with start() as server:
                measure_memory(suite, server, side, results)
            with start() as server:
                measure(suite, server, side, results)


def start_ngtcp2(suite):
    root = "build/peers"
    if not os.path.exists(f"{root}/gtlsserver"):
        return None
    return lambda: Ngtcp2Server(os.path.abspath(root), suite)


def start_deno(suite):
    deno = deno_executable()
    arguments = [f"{suite.folder}/cert.pem", f"{suite.folder}/key.pem"]
    return lambda: DenoServer(deno, BENCH, "builtin", arguments, "0")


# Name: how to start it, how to measure it.
PEERS = {"ngtcp2": (start_ngtcp2, measure_by_download), "deno": (start_deno, measure_by_perf)}


def main():
    options = parse_options(__doc__, PEERS)
    documents = {}
    with Suite(options) as suite:
        for name in options.only:
            find, measure = PEERS[name]
            if (start := find(suite)) is None:
                print(f"{name}: is not in build/peers; scripts/bench_peers.sh gets it", file=sys.stderr)
                continue
            results = Results()
            compare(suite, results, name, start, measure)
            print(f"\n{peer_table(results, 'knul', name)}")
            documents[name] = {**results.as_json(), "ratios": results.ratios("knul", name)}
    with open("build/bench-peers.json", "w") as file:
        json.dump({**machine(suite), "peers": documents}, file, indent=1)


if __name__ == "__main__":
    main()
