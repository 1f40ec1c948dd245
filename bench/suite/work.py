"""What the server is given to do, and which figures come of it."""
from dataclasses import dataclass

GIB = 1 << 30


@dataclass(frozen=True)
class Work:
    name: str
    title: str
    flags: tuple  # of `knul perf`
    unit: str  # "GiB", "request" or "handshake"
    units: float  # of work, in all
    acts_as: str = ""  # "sender", "receiver", "answering": what the server is in the ceiling; empty: not set against it


def transfers(scale):
    """One stream, 16 streams of a connection, 16 connections; down and up."""
    size = 2 * GIB // scale
    shapes = (("", "one stream", 1, 1), ("_streams16", "16 streams of a connection", 1, 16),
              ("_connections16", "16 connections", 16, 1))
    for direction, flag, role in (("down", "--download", "sender"), ("up", "--upload", "receiver")):
        for suffix, title, connections, streams in shapes:
            flags = (flag, str(size // connections), "--connections", str(connections), "--streams", str(streams))
            yield Work(direction + suffix, f"{title} {direction}", flags, "GiB", size / GIB, role)


def requests(scale):
    """A closed loop: 1, 8, 64 and 1,000 in flight on one connection, 64 on each of 16."""
    for connections, depth, count in ((1, 1, 20_000), (1, 8, 100_000), (1, 64, 400_000), (1, 1_000, 400_000),
                                      (16, 64, 400_000)):
        count //= scale
        where = "1 connection" if connections == 1 else f"{connections} connections"
        flags = ("--requests", str(count), "--depth", str(depth), "--connections", str(connections))
        yield Work(f"requests_{connections}x{depth}", f"requests, {where}, {depth:,} in flight", flags, "request",
                   count, "answering" if connections == depth == 1 else "")


def busy_requests(scale, busy_poll):
    """One and 64 in flight on one connection, on both sides without sleeping between packets that follow closely."""
    for item in requests(scale):
        if item.name in ("requests_1x1", "requests_1x64"):
            yield Work(item.name + "_busy", f"{item.title}, busy polling", item.flags + busy_poll, item.unit,
                       item.units)


def handshakes(scale, resumes):
    count = 2_000 // scale
    for name, title, more in (("handshakes", "full handshakes", ()), ("resumptions", "resumed handshakes", ("--resume",))):
        if name == "resumptions" and not resumes:
            continue
        for parallel in (1, 16):
            flags = ("--handshakes", str(count), "--parallel", str(parallel), *more)
            yield Work(f"{name}_{parallel}", f"{title}, {parallel} at a time", flags, "handshake", count)


def record(results, work, report, prefix="", **facts):
    """Adds the figures of one report of `knul perf`."""
    name, title = prefix + work.name, work.title
    server_cpu = report["server_cpu_seconds"] / work.units
    if work.unit == "GiB":
        results.add(f"{name}.rate", title, "Gbit/s", report["gbit_per_second"],
                    "rate" if work.acts_as else "", **facts)
        results.add(f"{name}.cpu", title, "server s/GiB", server_cpu, work.acts_as, **facts)
        return
    plural = work.unit + "s"
    results.add(f"{name}.rate", title, f"{plural}/s", report[f"{plural}_per_second"], **facts)
    results.add(f"{name}.cpu", title, f"server µs/{work.unit}", server_cpu * 1e6, work.acts_as, **facts)
    results.add(f"{name}.p50", title, "p50 µs", report["p50_us"], "p50" if work.acts_as else "", **facts)
    results.add(f"{name}.p99", title, "p99 µs", report["p99_us"], **facts)
