"""The figures of a benchmark run: each has a name, a unit, the value of every run, and what these come to."""
import statistics
from dataclasses import dataclass, field

from suite.targets import TARGETS


@dataclass
class Figure:
    name: str  # "down.rate": the measurement, then which of its figures
    measure: str  # for people: "one stream down"
    unit: str
    ceiling: str = ""  # the figure without QUIC that it is set against: "rate", "sender", "receiver", "answering", "p50"
    facts: dict = field(default_factory=dict)  # "connections", "workers", "series": what a plot sorts by
    values: list = field(default_factory=list)  # one a run

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def target(self):
        return TARGETS.get(self.name)

    @property
    def verdict(self):
        """"met" or "missed"; empty without a target. The median decides."""
        if self.target is None:
            return ""
        return "met" if self.target.is_met(self.median) else "missed"


class Results:
    """Figures by name, in the order in which they came."""

    def __init__(self):
        self.figures = {}
        self.notices = []  # what was not measured, and why

    def add(self, name, measure, unit, value, ceiling="", **facts):
        figure = self.figures.setdefault(name, Figure(name, measure, unit, ceiling, facts))
        figure.values.append(value)

    def median(self, name):
        return self.figures[name].median

    def ratios(self, ours, theirs):
        """Our median divided by the peer's, of every figure that both have; names are "SIDE/FIGURE"."""
        mine = {name.partition("/")[2]: figure for name, figure in self.figures.items() if name.startswith(f"{ours}/")}
        return {name: figure.median / self.median(f"{theirs}/{name}")
                for name, figure in mine.items() if f"{theirs}/{name}" in self.figures}

    def to_ceiling(self, figure):
        """The median as a multiple of the ceiling's, of intel-ipsec-mb's before GnuTLS's; None where none was measured."""
        for kind in ("ipsec_mb", "gnutls", "round_trip"):
            name = f"ceiling_{kind}.{figure.ceiling}"
            if figure.ceiling and name in self.figures:
                return figure.median / self.median(name)
        return None

    def as_json(self):
        rows = []
        for figure in self.figures.values():
            row = {"name": figure.name, "measure": figure.measure, "unit": figure.unit, "median": figure.median,
                   "min": min(figure.values), "max": max(figure.values), "values": figure.values, **figure.facts}
            if (ratio := self.to_ceiling(figure)) is not None:
                row["to_ceiling"] = ratio
            if figure.target is not None:
                row["target"] = {"at_least" if figure.target.is_floor else "at_most": figure.target.value}
                row["to_target"] = figure.target.share(figure.median)
                row["verdict"] = figure.verdict
            rows.append(row)
        return {"figures": rows, "notices": self.notices}
