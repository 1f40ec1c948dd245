"""What must be reached, by the name of the figure. KB are 1,024 bytes."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    value: float
    is_floor: bool  # the figure has to be at least this; else at most

    def share(self, median):
        """How much of the target is reached; from 1 on it is met."""
        good, bad = (median, self.value) if self.is_floor else (self.value, median)
        return good / bad if bad else float("inf")

    def is_met(self, median):
        return median >= self.value if self.is_floor else median <= self.value

    def __str__(self):
        return f"{'≥' if self.is_floor else '≤'} {self.value:,g}"


def at_least(value):
    return Target(value, True)


def at_most(value):
    return Target(value, False)


TARGETS = {
    "down.rate": at_least(13),
    "down.cpu": at_most(0.58),
    "up.rate": at_least(13),
    "up.cpu": at_most(0.48),
    "requests_1x64.rate": at_least(700_000),
    "requests_1x64.cpu": at_most(1.3),
    "requests_1x64_busy.rate": at_least(700_000),
    "requests_1x64_busy.cpu": at_most(1.3),
    "requests_16x64.rate": at_least(600_000),
    "requests_1x1.p50": at_most(85),
    "handshakes_1.cpu": at_most(190),
    "handshakes_16.cpu": at_most(190),
    "idle_1000.fresh": at_most(27),
    "idle_10000.fresh": at_most(27),
    "idle_100000.fresh": at_most(27),
    "idle_1000.later": at_most(12),
    "idle_10000.later": at_most(12),
    "idle_100000.later": at_most(12),
    "idle_after_work_1000.later": at_most(12),
    "growth_bursts.factor": at_most(1.5),
    "growth_steady.factor": at_most(1.5),
    "growth_single.factor": at_most(1.5),
}
