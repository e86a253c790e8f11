"""Draw throughput and fairness over the number of threads from the JSON of `make bench` on both builds.

python tests/bench/plot.py build/bench-3.13.json build/bench-3.13t.json docs/contention.svg
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

# The page's background shows through, light or dark; these colours stand out against both.
INK = "#7d8590"
STYLES = {
    # subject: label, colour, marker, width. The markers tell the lines apart without colours.
    "ours": ("IntervalLock (this project)", "#1a7fe8", "o", 2.4),
    "threading": ("threading.Lock", "#e36209", "s", 1.5),
    "ft_utils": ("IntervalLock (Meta's ft_utils)", "#2a9d4a", "^", 1.5),
    "readerwriterlock": ("RWLockFair, writing (readerwriterlock)", "#a15fd6", "D", 1.5),
}
SETTINGS = {
    "svg.hashsalt": "contention",  # names of clip paths and markers, which would otherwise be random
    "svg.fonttype": "path",  # the same everywhere, whatever fonts the reader has
    "font.size": 10,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
# A share of nothing has no logarithm: it is drawn at the foot of the panel, where the axis says 0.
SHARE_FLOOR = 1e-3


def points(report: dict[str, Any], figure: str, subject: str) -> list[tuple[int, float, float, float]]:
    """Threads, median and quartiles of one line."""
    found = []
    for row in report["rows"]:
        name = re.fullmatch(rf"sweep-(\d+)-{figure}", row["name"])
        values = row["subjects"].get(subject) if name else None
        if values and values["median"] is not None:
            found.append((int(name[1]), values["median"], values["q1"], values["q3"]))
    return sorted(found)


def panel(axes: Axes, report: dict[str, Any], figure: str, floor: float, scale: float) -> None:
    for subject, (label, colour, marker, width) in STYLES.items():
        line = points(report, figure, subject)
        if not line:
            continue
        threads = [point[0] for point in line]
        middle, low, high = ([max(floor, scale * point[i]) for point in line] for i in (1, 2, 3))
        front = 3 if subject == "ours" else 2
        axes.plot(threads, middle, label=label, color=colour, marker=marker, markersize=5, lw=width, zorder=front)
        axes.fill_between(threads, low, high, color=colour, alpha=0.2, lw=0, zorder=front - 1)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sorted({p[0] for s in STYLES for p in points(report, figure, s)})))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(color=INK, alpha=0.25, lw=0.6)
    axes.patch.set_alpha(0)
    for spine in ("top", "right"):
        axes.spines[spine].set_visible(False)


def draw(reports: list[dict[str, Any]], target: Path) -> None:
    plt.rcParams.update(SETTINGS)
    figure, grid = plt.subplots(2, len(reports), figsize=(9.5, 6.6), sharex=True, sharey="row", squeeze=False)
    for report, (rate, share) in zip(reports, grid.T, strict=True):
        machine = report["machine"]
        panel(rate, report, "rate", 1.0, 1000.0)
        panel(share, report, "share", SHARE_FLOOR, 1.0)
        build = "3.13t, free-threaded" if machine["free_threaded"] else "3.13, with the GIL"
        rate.set_title(f"CPython {build}", fontsize=11)
        share.set_xlabel("threads")
    grid[0][0].set_ylabel("critical sections per second")
    grid[1][0].set_ylabel("least / largest share of a thread")
    grid[0][0].yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v / 1e6:g} M" if v >= 1e6 else f"{v / 1e3:g} k"))
    grid[1][0].set_ylim(SHARE_FLOOR * 0.8, 1.25)
    grid[1][0].yaxis.set_major_locator(FixedLocator([SHARE_FLOOR, 0.01, 0.1, 1]))
    grid[1][0].yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"≤ {v:g}" if v <= SHARE_FLOOR else f"{v:g}"))
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=2, frameon=False, bbox_to_anchor=(0.5, 0.025))
    machine = reports[0]["machine"]
    figure.text(
        0.5,
        0.008,
        f"one lock, 50 iterations inside; medians and quartiles; {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['system']} {machine['kernel']}, CPython {machine['python']}",
        ha="center",
        fontsize=8,
    )
    figure.tight_layout(rect=(0, 0.1, 1, 1))
    target.parent.mkdir(parents=True, exist_ok=True)
    # No date, so that the same figures give the same file.
    figure.savefig(target, format="svg", transparent=True, metadata={"Date": None, "Creator": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", nargs="+", type=Path, help="JSON of the bench, one for each build")
    parser.add_argument("target", type=Path, help="SVG to write")
    options = parser.parse_args()
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in options.reports]
    for path, report in zip(options.reports, reports, strict=True):
        if not points(report, "rate", "ours"):
            parser.error(f"{path} has no rows called sweep-…: run `make bench` for all rows")
    draw(reports, options.target)


if __name__ == "__main__":
    main()
