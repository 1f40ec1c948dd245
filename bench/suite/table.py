"""The results as a table of text."""


def number(value):
    """Three digits or more, whatever the size."""
    size = abs(value)
    decimals = 0 if size >= 100 else 1 if size >= 20 else 2
    return f"{value:,.{decimals}f}"


def aligned(lines):
    """Lines of cells as columns; the first line is the head."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def spread(figure):
    if len(figure.values) == 1:
        return ""
    return f"{number(min(figure.values))} to {number(max(figure.values))}"


def line_of(figure, results):
    to_ceiling = results.to_ceiling(figure)
    target = figure.target
    return (figure.unit, number(figure.median), spread(figure), "" if to_ceiling is None else number(to_ceiling),
            "" if target is None else str(target), "" if target is None else number(target.share(figure.median)),
            figure.verdict)


def by_measure(results):
    """The figures, those of one measure together, measures in the order of their first figures."""
    measures = list(dict.fromkeys(figure.measure for figure in results.figures.values()))
    return sorted(results.figures.values(), key=lambda figure: measures.index(figure.measure))


def table(results):
    """One line a figure; those of one measure name it once."""
    lines = [("measure", "figure", "median", "min to max", "to ceiling", "target", "of target", "verdict")]
    above = None
    for figure in by_measure(results):
        lines.append(("" if figure.measure == above else figure.measure, *line_of(figure, results)))
        above = figure.measure
    return "\n".join([aligned(lines), *(f"not measured: {notice}" for notice in results.notices)])


def peer_table(results, ours, theirs):
    """One line a figure that both sides have: `ours` and `theirs` are the prefixes of their names."""
    lines = [("measure", "figure", ours, theirs, "ratio")]
    above = None
    for name, ratio in results.ratios(ours, theirs).items():
        figure = results.figures[f"{ours}/{name}"]
        lines.append(("" if figure.measure == above else figure.measure, figure.unit, number(figure.median),
                      number(results.median(f"{theirs}/{name}")), number(ratio)))
        above = figure.measure
    return aligned(lines)
