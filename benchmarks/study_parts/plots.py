"""A plot of each finding: every seed as a dot, the mean difference and its interval as a bar."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ib_data.replacing import replacing
from study_parts.findings import Difference

_COLOURS = ("#1f6f8b", "#c0562f", "#5b7a2c", "#6d4c8d")


def plot(file: Path, title: str, rows: Mapping[str, Mapping[str, Difference]]) -> None:
    """Write the plot of a finding: `rows` maps a family to its differences by name, each a line of the plot.

    Equal differences give the same bytes. Raises ImportError without matplotlib.
    """
    import matplotlib as mpl  # imported here: slow, and only needed where there are results
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "ib_data"

    names = list(dict.fromkeys(name for found in rows.values() for name in found))
    figure = Figure(figsize=(7, 1.2 + 0.32 * len(names) * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for number, (family, found) in enumerate(rows.items()):
        for place, name in enumerate(names):
            if name in found:
                y = place + 0.6 * (number + 0.5) / len(rows) - 0.3
                _line(axes, found[name], y, _COLOURS[number % len(_COLOURS)], "" if place else family)
    axes.axvline(0, color="0.5", linewidth=1)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("difference in points; dots: seeds, bar: mean and interval")
    axes.set_title(title, fontsize=10, loc="left")
    axes.legend(loc="best", frameon=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as part:
        figure.savefig(part, format="svg", metadata={"Date": None, "Creator": None})


def _line(axes: Any, one: Difference, y: float, colour: str, label: str) -> None:
    axes.plot(one.of_seed, [y] * len(one.of_seed), ".", color=colour, alpha=0.5)
    axes.plot([one.mean], [y], "D", color=colour, markersize=5, label=label or None)
    if one.interval:
        axes.plot(one.interval, [y, y], "-", color=colour, linewidth=2)
