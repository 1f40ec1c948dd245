"""The measurements of bench/run.py: each takes the suite and adds its figures to the results."""
import os
import time

from suite import work
from suite.clients import Holders, knows_flag, perf
from suite.processes import resident_bytes, run_json
from suite.servers import KnulServer

IDLE_SECONDS = 12  # "idle for long": all have long been put to sleep
BUSY_POLL = ("--busy-poll-us", "100")  # of server and client
BURST = 8  # requests at once; their answers fit the first congestion window, so that no slow start is measured
BURSTING = 10  # connections at a time
SINGLES = 640  # requests in flight, one a connection
STEADY_BURSTS = 25  # of each connection: what its first use costs is then a small part
TITLES = {"bursts": "requests as connections grow, bursts of 8 on 10",
          "steady": f"requests as connections grow, {STEADY_BURSTS} or more bursts of 8 each",
          "single": "requests as connections grow, one each on up to 640",
          "handshakes": "handshakes as idle connections grow"}


def alternate(suite, results, works, begin_run=lambda: None, settings=()):
    """All works once a run, so that what the machine does meanwhile meets all of them alike."""
    works = list(works)
    with KnulServer(suite, settings=settings) as server:
        for run in range(suite.runs):
            suite.say(f"run {run + 1} of {suite.runs}: {', '.join(item.name for item in works)}")
            begin_run()
            for item in works:
                work.record(results, item, perf(suite, server, item.flags))


def transfer(suite, results):
    def ceilings():
        for library in ("gnutls", "ipsec_mb"):
            ceiling(suite, results, 2 * work.GIB // suite.scale, library)

    alternate(suite, results, work.transfers(suite.scale), ceilings)


def ceiling(suite, results, size, library):
    """Packets without QUIC, encrypted by a library."""
    report = run_json([f"{suite.bins}/bench/ceiling", str(size), "0", "1", library])
    if not report["is_available"]:
        return
    title = f"packets without QUIC, by {library}"
    for figure, unit, key in (("rate", "Gbit/s", "gbit_s"), ("sender", "sender s/GiB", "sender_cpu_s_gib"),
                              ("receiver", "receiver s/GiB", "receiver_cpu_s_gib")):
        results.add(f"ceiling_{library}.{figure}", title, unit, report[key])


def requests(suite, results):
    alternate(suite, results, work.requests(suite.scale), lambda: round_trip(suite, results))
    if knows_flag(suite, BUSY_POLL[0]):
        alternate(suite, results, work.busy_requests(suite.scale, BUSY_POLL), settings=BUSY_POLL)
    else:
        results.notices.append(f"busy polling: this knul perf has no {BUSY_POLL[0]}")


def round_trip(suite, results):
    """A datagram there and one back, which a single request cannot be faster than, unless it polls."""
    report = run_json([f"{suite.bins}/bench/round_trip", str(20_000 // suite.scale), "0", "1"])
    title = "a datagram there and back without QUIC"
    results.add("ceiling_round_trip.answering", title, "answering µs", report["answering_cpu_us"])
    results.add("ceiling_round_trip.p50", title, "p50 µs", report["p50_us"])


def handshakes(suite, results):
    resumes = knows_flag(suite, "--resume")
    if not resumes:
        results.notices.append("resumed handshakes: this knul perf has no --resume")
    alternate(suite, results, work.handshakes(suite.scale, resumes))


def scaling(suite, results):
    """1 and 2 workers. Server and client may use every CPU: on two cores they share both."""
    cpus = ",".join(str(cpu) for cpu in sorted(os.sched_getaffinity(0)))
    wanted = ("down_connections16", "requests_16x64", "handshakes_16")
    works = [item for kind in (work.transfers(suite.scale), work.requests(suite.scale),
                               work.handshakes(suite.scale, False)) for item in kind if item.name in wanted]
    for run in range(suite.runs):
        suite.say(f"run {run + 1} of {suite.runs}: 1 and 2 workers")
        for workers in (1, 2):
            with KnulServer(suite, workers, cpus) as server:
                for item in works:
                    titled = work.Work(item.name, f"{item.title}, {workers} worker{'s' * (workers > 1)}, any CPU",
                                       item.flags, item.unit, item.units)
                    report = perf(suite, server, item.flags, cpus)
                    work.record(results, titled, report, f"workers{workers}_", workers=workers)


def idle(suite, results):
    """Memory that a connection adds: at once, and when it has been idle for IDLE_SECONDS."""
    for count in (1_000, 10_000, 100_000):
        if count * suite.scale > 100_000:  # --quick stops at 10,000
            continue
        measure_idle(suite, results, f"idle_{count}", f"idle connection, one of {count:,}", count)
    measure_idle(suite, results, "idle_after_work_1000", "the same of 1,000 after 64 requests at once and 1 MiB down",
                 1_000, lambda holders: holders.work())


def measure_idle(suite, results, name, title, count, prepare=lambda holders: None):
    suite.say(f"memory: {title}")
    with KnulServer(suite) as server:
        before = resident_bytes(server.pid, "Pss_Anon")
        kilobytes = lambda: (resident_bytes(server.pid, "Pss_Anon") - before) / count / 1024  # noqa: E731
        with Holders(suite, server, count) as holders:
            prepare(holders)
            results.add(f"{name}.fresh", title, "KB at once", kilobytes(), connections=count, series="fresh")
            time.sleep(IDLE_SECONDS)
            results.add(f"{name}.later", title, f"KB after {IDLE_SECONDS} s", kilobytes(), connections=count,
                        series="later")


def growth(suite, results):
    """Cost of a request and of a handshake as connections grow, the load being the same.

    Bursts: 10 connections at a time make 8 requests at once each, and the other connections wait their turn: 80 in
    flight from 10 connections on. Single: one request at a time on each of up to 640 connections, in turns from there
    on. Handshakes: 16 at a time, while so many other connections are open and idle. Steady: bursts again, fewest and
    most connections only, but long enough that first use and waking hardly count.
    """
    counts = [count for count in (1, 10, 100, 1_000, 10_000) if count <= 10_000 // suite.scale]
    for run in range(min(suite.runs, 3)):
        for count in counts:
            for workers in (1, 2):
                suite.say(f"growth, run {run + 1}: {count:,} connections, {workers} worker{'s' * (workers > 1)}")
                measure_growth(suite, results, count, workers)
        for count in (10, counts[-1]):
            measure_steady(suite, results, count, BURST * STEADY_BURSTS * counts[-1])
    for series in ("bursts", "steady", "single"):
        first, last = (results.median(f"growth_{series}_{count}.cpu") for count in (10, counts[-1]))
        results.add(f"growth_{series}.factor", TITLES[series], f"{counts[-1]:,} to 10", last / first)


def measure_growth(suite, results, count, workers):
    requests_made = 200_000 // suite.scale
    cpus = "0" if workers == 1 else "0,1"
    suffix = "" if workers == 1 else f"_workers{workers}"
    shapes = [("bursts", BURST, min(count, BURSTING))]
    if workers == 1:
        shapes.append(("single", 1, min(count, SINGLES)))
    for series, depth, active in shapes:
        made = requests_made if depth * active > 1 else requests_made // 10
        flags = ("--requests", str(made), "--depth", str(depth), "--connections", str(count), "--active", str(active))
        with KnulServer(suite, workers, cpus) as server:
            report = perf(suite, server, flags)
        results.add(f"growth_{series}_{count}{suffix}.cpu", TITLES[series] + worker_title(workers),
                    f"server µs at {count:,}", report["server_cpu_seconds"] / made * 1e6, connections=count,
                    workers=workers, series=series)
    made = 1_000 // min(suite.scale, 2)
    with KnulServer(suite, workers, cpus) as server, Holders(suite, server, count):
        report = perf(suite, server, ("--handshakes", str(made), "--parallel", "16"))
    results.add(f"growth_handshakes_{count}{suffix}.cpu", TITLES["handshakes"] + worker_title(workers),
                f"server µs at {count:,}", report["server_cpu_seconds"] / made * 1e6, connections=count,
                workers=workers, series="handshakes")


def measure_steady(suite, results, count, requests_made):
    suite.say(f"growth, steady: {count:,} connections")
    flags = ("--requests", str(requests_made), "--depth", str(BURST), "--connections", str(count), "--active",
             str(BURSTING))
    with KnulServer(suite) as server:
        report = perf(suite, server, flags)
    results.add(f"growth_steady_{count}.cpu", TITLES["steady"], f"server µs at {count:,}",
                report["server_cpu_seconds"] / requests_made * 1e6)


def worker_title(workers):
    return "" if workers == 1 else f", {workers} workers"


MEASUREMENTS = {"transfer": transfer, "requests": requests, "handshakes": handshakes, "scaling": scaling, "idle": idle,
                "growth": growth}
