"""The plot: CPU per delivery against clients, and deliveries a second against a burst's size."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, NullFormatter

from benchmarks.loads import Figures
from benchmarks.report import Results
from benchmarks.servers import C_FLOOR, PEERS, RIACHO

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "riacho",  # the same figures give the same file
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
}


def draw(results: Results, path: Path) -> None:
    """Write the plot as SVG."""
    with matplotlib.rc_context(_STYLE):
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
        _lines(left, results.get("clients", {}), "cpu_us")
        left.set(xlabel="clients", ylabel="server CPU per delivery, µs (less is better)")
        _lines(right, results.get("bursts", {}), "deliveries_s")
        right.set(xlabel="lines at once, to 100 clients", ylabel="deliveries/s (more is better)")
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
        figure.savefig(path, metadata={"Date": None})
        pyplot.close(figure)


def _lines(axes: Axes, figures: dict[str, Figures], field: str) -> None:
    """A line for each server; both scales are logarithmic."""
    for peer in PEERS:
        points = []
        for name, one in figures.items():
            who, _, number = name.rpartition(": ")
            value = getattr(one, field)
            if who == peer.name and value is not None:
                points.append((int(number.replace(",", "")), value))
        if points:
            emphasis = 2.5 if peer is RIACHO else 1.2
            axes.plot(
                *zip(*points, strict=True),
                marker="o",
                markersize=4,
                linewidth=emphasis,
                linestyle="--" if peer is C_FLOOR else "-",
                label=peer.name,
                zorder=3 if peer is RIACHO else 2,
            )
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(EngFormatter(sep=""))
        axis.set_minor_formatter(NullFormatter())
