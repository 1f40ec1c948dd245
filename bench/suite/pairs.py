"""The same work done by two builds in turns, and what the ratios of their costs say."""
import random
import statistics
from contextlib import ExitStack
from math import comb

from suite import work
from suite.clients import perf
from suite.servers import KnulServer
from suite.table import aligned

PAIRS_A_START = 8
SHORT = 10  # divides the work: a run takes about a tenth of a second
UNCERTAIN = 0.05


def works():
    """What is compared, by name."""
    items = (*work.transfers(SHORT), *work.requests(SHORT), *work.handshakes(SHORT // 2, False))
    return {item.name: item for item in items}


def interval(ratios):
    """Where the true median lies with 95 % certainty, by order statistics; all of the ratios where they are few."""
    ordered, count = sorted(ratios), len(ratios)
    outside, chance = 0, comb(count, 0) / 2**count
    while chance <= UNCERTAIN / 2:
        outside += 1
        chance += comb(count, outside) / 2**count
    cut = max(outside - 1, 0)
    return ordered[cut], ordered[count - 1 - cut]


def table_of(ratios):
    """A line for each work; `ratios` is a list of new/old by name."""
    lines = [("work", "pairs", "server CPU, new/old", "95 % of")]
    for name, values in ratios.items():
        low, high = interval(values)
        lines.append((name, str(len(values)), f"{statistics.median(values):.3f}", f"{low:.3f} to {high:.3f}"))
    return aligned(lines)


def compare(old, new, items, pairs):
    """The ratios by the name of the work. A pair is four runs, so that a drift of the machine's speed cancels out."""
    ratios = {item.name: [] for item in items}
    for begun in range(0, pairs, PAIRS_A_START):
        with ExitStack() as stack:
            suites = [old, new]
            random.shuffle(suites)
            servers = {suite: stack.enter_context(KnulServer(suite)) for suite in suites}
            for item in items:
                for suite in suites:
                    perf(old, servers[suite], item.flags)  # not counted: memory is touched for the first time
            for _ in range(begun, min(begun + PAIRS_A_START, pairs)):
                for item in items:
                    ratios[item.name].append(ratio(old, new, servers, item))
        old.say(f"{min(begun + PAIRS_A_START, pairs)} of {pairs} pairs")
    return ratios


def ratio(old, new, servers, item):
    order = random.choice(((old, new, new, old), (new, old, old, new)))
    cost = {old: 0.0, new: 0.0}
    for suite in order:
        cost[suite] += perf(old, servers[suite], item.flags)["server_cpu_seconds"]
    return cost[new] / cost[old]
