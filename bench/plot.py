#!/usr/bin/env python3
"""Draws what bench/run.py measured as connections grow: CPU of a request and of a handshake, memory of a connection.

Reads build/bench.json and writes an SVG, by hand, so that nothing has to be installed.
    bench/plot.py [build/bench.json] [build/bench.svg]
"""
import json
import math
import sys
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 436, 320  # of a panel, with its margins
LEFT, RIGHT, TOP, BOTTOM = 58, 30, 34, 96
COLOURS = ("#1f5fa8", "#c4572b", "#3b8a4d", "#7a4fa3")


@dataclass
class Line:
    label: str
    points: list  # of (connections, value), by connections


@dataclass
class Panel:
    title: str
    unit: str
    lines: list


def line_of(figures, label, **facts):
    """The medians of the figures that have these facts, sorted by connections."""
    points = [(figure["connections"], figure["median"]) for figure in figures
              if "connections" in figure and all(figure.get(key) == value for key, value in facts.items())]
    return Line(label, sorted(points))


def panels(figures):
    """Only what was measured: a line without points is left out, and a panel without lines."""
    idle = [figure for figure in figures if not figure["name"].startswith("idle_after_work")]
    made = [
        Panel("Server CPU of a request", "µs", [
            line_of(figures, "bursts of 8 on 10 connections in turn, 1 worker", series="bursts", workers=1),
            line_of(figures, "the same, 2 workers", series="bursts", workers=2),
            line_of(figures, "one each on up to 640 in turn, 1 worker", series="single", workers=1)]),
        Panel("Server CPU of a handshake beside idle connections", "µs", [
            line_of(figures, "16 at a time, 1 worker", series="handshakes", workers=1),
            line_of(figures, "16 at a time, 2 workers", series="handshakes", workers=2)]),
        Panel("Server memory of an idle connection", "KB", [
            line_of(idle, "at once", series="fresh"), line_of(idle, "idle for 12 s", series="later")]),
    ]
    for panel in made:
        panel.lines = [line for line in panel.lines if line.points]
    return [panel for panel in made if panel.lines]


def round_step(top):
    """A step of 1, 2 or 5 times a power of ten that divides 0 to `top` into three to six parts."""
    power = 10 ** math.floor(math.log10(top / 3))
    return max(step for step in (power, 2 * power, 5 * power) if step <= top / 3)


class Axes:
    """Connections from left to right by their logarithm, values from 0 upwards."""

    def __init__(self, panel):
        points = [point for line in panel.lines for point in line.points]
        self.decades = range(math.floor(math.log10(min(x for x, _ in points))),
                             max(math.ceil(math.log10(max(x for x, _ in points))), 1) + 1)
        top = max(max(y for _, y in points), 1e-9) * 1.05
        self.step = round_step(top)
        self.top = math.ceil(top / self.step) * self.step

    def x(self, connections):
        span = self.decades[-1] - self.decades[0]
        return LEFT + (math.log10(connections) - self.decades[0]) / span * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        return HEIGHT - BOTTOM - value / self.top * (HEIGHT - TOP - BOTTOM)


def text(x, y, words, anchor="middle", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def draw_axes(panel, axes):
    parts = [text(LEFT, 18, f"{panel.title}, {panel.unit}", "start", ' font-weight="bold"'),
             text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 34, "connections")]
    for decade in axes.decades:
        x = axes.x(10 ** decade)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#e4e4e4"/>')
        parts.append(text(x, HEIGHT - BOTTOM + 16, f"{10 ** decade:,}"))
    for mark in range(round(axes.top / axes.step) + 1):
        y = axes.y(mark * axes.step)
        colour = "#555" if mark == 0 else "#e4e4e4"
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}"/>')
        parts.append(text(LEFT - 6, y + 4, f"{mark * axes.step:,g}", "end"))
    return parts


def draw_line(line, axes, index):
    colour = COLOURS[index]
    at = [(axes.x(connections), axes.y(value)) for connections, value in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
    legend = HEIGHT - BOTTOM + 52 + 15 * index
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in at]
    parts.append(f'<rect x="{LEFT}" y="{legend - 8}" width="14" height="3" fill="{colour}"/>')
    parts.append(text(LEFT + 20, legend, line.label, "start"))
    return parts


def svg(document):
    """The text of an SVG; None when nothing that it shows was measured."""
    shown = panels(document["figures"])
    if not shown:
        return None
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH * len(shown)} {HEIGHT}" '
             f'width="{WIDTH * len(shown)}" height="{HEIGHT}" font-family="sans-serif" font-size="11" fill="#222">',
             '<rect width="100%" height="100%" fill="white"/>']
    for place, panel in enumerate(shown):
        axes = Axes(panel)
        parts.append(f'<g transform="translate({place * WIDTH} 0)">')
        parts += draw_axes(panel, axes)
        for index, line in enumerate(panel.lines):
            parts += draw_line(line, axes, index)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"


def write_plot(document, path):
    drawn = svg(document)
    if drawn is not None:
        with open(path, "w") as file:
            file.write(drawn)


def main():
    source, target = (sys.argv[1:] + ["build/bench.json", "build/bench.svg"][len(sys.argv) - 1:])[:2]
    with open(source) as file:
        write_plot(json.load(file), target)


if __name__ == "__main__":
    main()
