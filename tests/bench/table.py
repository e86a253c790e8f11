"""The rows as text, printed one by one as they are measured."""

from typing import Any

from .model import CONTROL, FASTENERS, META, OURS, READERWRITERLOCK, THREADING

COLUMNS = (OURS, THREADING, META, READERWRITERLOCK, FASTENERS, CONTROL)
HEADINGS = {READERWRITERLOCK: "rwlock"}
WIDTH = 10
NAME = 24

NOTES = """\
Medians of all rounds. The subjects take turns within one process, every round beginning with another one; the
ratio is ours / threading (poll-idle: ours / ft_utils; record-…: recording / not recording), the median of the
rounds' own ratios with its quartiles. Times are raw: the loop that repeats a statement is not subtracted. Its share
is the row empty-loop; it makes all ratios come out a little nearer to 1 than the locks' own. "threading" is
threading.Lock where the row does not name another class, "ft_utils" Meta's, "rwlock" readerwriterlock's RWLockFair
(under exclusive locks its writer's side), "control" what the row is to be seen against: an empty loop, a lock of
each thread's own, or the same without recording."""


def figure(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return "-"
    size = abs(value)
    if size >= 99.95 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 9.995 else f"{value:.2f}" if size >= 0.0095 else f"{value:.2g}"


def head() -> str:
    columns = "".join(f"{HEADINGS.get(name, name):>{WIDTH}}" for name in COLUMNS)
    return f"{'row':<{NAME}}{'unit':<6}{columns}  {'ratio':>6} {'(quartiles)':<13} {'mark':<12} {'':<10}what"


def line(row: dict[str, Any]) -> str:
    """One row of the table."""

    def cell(name: str) -> str:
        if name in row["errors"]:
            return "error"
        return figure(row["subjects"][name]["median"]) if name in row["subjects"] else ""

    ratio, quartiles, mark = "", "", ""
    if row["ratio"]:
        ratio = figure(row["ratio"]["median"])
        quartiles = f"({figure(row['ratio']['q1'])}-{figure(row['ratio']['q3'])})"
    if row["mark"]:
        # A mark on ours itself, not on the ratio, says so.
        mark = ("ours " if row["mark"]["over"] is None else "") + f"{row['mark']['op']} {row['mark']['value']:g}"
    columns = "".join(f"{cell(name):>{WIDTH}}" for name in COLUMNS)
    return (
        f"{row['name']:<{NAME}}{row['unit']:<6}{columns}  {ratio:>6} {quartiles:<13} {mark:<12} "
        f"{row['verdict'] or '':<10}{row['title']}"
    )


def skipped(rows: list[dict[str, Any]]) -> str:
    """One line for all rows that were skipped."""
    reasons = sorted({row["skipped"].removeprefix("ft_utils.synchronization has no ") for row in rows})
    missing = sorted({name for reason in reasons for name in reason.split(", ")})
    return f"skipped, because ft_utils.synchronization has no {', '.join(missing)}: " + ", ".join(
        row["name"] for row in rows
    )
