"""The tables of `report`: in the terminal by rich where that is installed, plainly otherwise, or as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from ft_utils._profiling.profile import Profile
from ft_utils._profiling.summary import Holds, Line, Lock, Summary, Waits, notes, seconds, summarize, top


class Table(NamedTuple):
    title: str
    head: tuple[str, ...]
    rows: list[list[str]]
    numbers: range
    """The columns that are set to the right."""


def report(profile: Profile, by: str) -> None:
    """Print what *profile* says, a row for each lock or for each line."""
    summary = summarize(profile)
    print(headline(profile, summary), end="\n\n", flush=True)
    show([table for table in (by_lock(summary) if by == "lock" else by_line(summary)) if table.rows])
    for note in notes(profile):
        print(note)


def headline(profile: Profile, summary: Summary) -> str:
    command = profile.data.get("command") or "this process"
    return (
        f"{command}: {summary.contentions} contentions, {seconds(summary.ns)} waited for locks "
        f"in {seconds(profile.data['duration_ns'])}"
    )


TIMES = ("total", "p50", "p99", "longest")


def times(waits: Waits) -> list[str]:
    figures = (waits.ns, waits.percentile(0.5), waits.percentile(0.99), waits.longest)
    return [str(waits.count), *map(seconds, figures)] if waits.count else ["0", "", "", "", ""]


def by_lock(summary: Summary) -> Iterable[Table]:
    head = ("kind", "lock", "contentions", *TIMES, "waited at", "held at")
    yield Table("Locks", head, lock_rows(summary.locks), range(2, 7))
    others = [row[:-1] for row in lock_rows(summary.others)]  # nobody holds one of these
    yield Table("Waits that are no contention", ("kind", "object", "waits", *head[3:-1]), others, range(2, 7))


def lock_rows(table: dict[Lock, Waits]) -> list[list[str]]:
    twice = ambiguous(table)
    rows = []
    for lock, waits in table.items():
        name = f"{lock.name} ({lock.id:#x})" if (lock.kind, lock.name) in twice else lock.name
        rows.append([lock.kind, name, *times(waits), place(top(waits.at)), place(top(waits.held))])
    return rows


def ambiguous(locks: Iterable[Lock]) -> set[tuple[str, str]]:
    """What is the name of more than one lock, as those made by one line have."""
    names = Counter((lock.kind, lock.name) for lock in locks)
    return {name for name, count in names.items() if count > 1}


def by_line(summary: Summary) -> Iterable[Table]:
    head = ("waited at", "function", "contentions", *TIMES, "for")
    yield Table("Lines that waited for locks", head, line_rows(summary.lines), range(2, 7))
    held = [
        [place(line), line.function, str(holds.count), seconds(holds.ns), names(holds.on)]
        for line, holds in summary.holders.items()
    ]
    columns = ("held at", "function", "charges", "others waited", "of")
    yield Table("Lines that held locks while others waited", columns, held, range(2, 4))
    others = line_rows(summary.other_lines)
    yield Table("Lines that waited otherwise", (*head[:2], "waits", *head[3:]), others, range(2, 7))


def line_rows(table: dict[Line, Waits]) -> list[list[str]]:
    return [[place(line), line.function, *times(waits), names(waits.on)] for line, waits in table.items()]


def place(line: Line | None) -> str:
    """A line, with the path from here or from where modules are looked for, if it is below one of these."""
    if line is None:
        return ""
    for folder in filter(None, (here(), *sorted(sys.path, key=len, reverse=True))):
        if line.file.startswith(folder + os.sep):
            return str(line._replace(file=line.file[len(folder) + 1 :]))
    return str(line)


def here() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""  # it has been removed


def names(locks: Any) -> str:
    """The lock that cost most, and how many others there are."""
    more = len(locks) - 1
    return f"{top(locks)}" + (f" and {more} more" if more else "")


def show(tables: list[Table]) -> None:
    try:
        from rich.console import Console
    except ImportError:
        for table in tables:
            print_plain(table)
    else:
        console = Console()
        if not console.is_terminal:
            console.width = 10_000  # a file has no right edge
        print_rich(tables, console)


def print_plain(table: Table) -> None:
    widths = [max(map(len, column)) for column in zip(table.head, *table.rows, strict=True)]
    print(table.title)
    for row in (table.head, ["-" * width for width in widths], *table.rows):
        cells = zip(row, widths, range(len(row)), strict=True)
        print("  ".join(c.rjust(w) if i in table.numbers else c.ljust(w) for c, w, i in cells).rstrip())
    print()


def print_rich(tables: list[Table], console: Any) -> None:
    from rich import box
    from rich.table import Table as Grid
    from rich.text import Text

    for table in tables:
        grid = Grid(
            title=table.title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
        )
        for i, name in enumerate(table.head):
            right = i in table.numbers
            grid.add_column(name, justify="right" if right else "left", no_wrap=right, overflow="fold")
        for row in table.rows:
            grid.add_row(*map(Text, row))
        console.print(grid)


def report_json(profile: Profile, by: str) -> None:
    """Print the same as one JSON object; times are in nanoseconds."""
    summary = summarize(profile)
    data = profile.data
    answer: dict[str, Any] = {name: data.get(name) for name in ("command", "start_unix_ns", "duration_ns")}
    answer |= {"rate": data.get("rate", 1), "minimum_ns": data.get("minimum_ns", 0), "dropped": data.get("dropped", {})}
    answer |= {"contentions": summary.contentions, "ns": summary.ns}
    if by == "lock":
        answer["locks"] = [lock._asdict() | figures(waits) for lock, waits in summary.locks.items()]
        answer["waits"] = [lock._asdict() | figures(waits) for lock, waits in summary.others.items()]
    else:
        answer["lines"] = [line._asdict() | figures(waits) for line, waits in summary.lines.items()]
        answer["waits"] = [line._asdict() | figures(waits) for line, waits in summary.other_lines.items()]
        answer["holders"] = [line._asdict() | charged(holds) for line, holds in summary.holders.items()]
    json.dump(answer, sys.stdout, indent=2)
    print()


def figures(waits: Waits) -> dict[str, Any]:
    return {
        "count": waits.count,
        "ns": waits.ns,
        "p50_ns": waits.percentile(0.5),
        "p99_ns": waits.percentile(0.99),
        "longest_ns": waits.longest,
        "waited_at": [line._asdict() | {"ns": ns} for line, ns in waits.at.most_common()],
        "held_at": [line._asdict() | {"ns": ns} for line, ns in waits.held.most_common()],
        "locks": [lock._asdict() | {"ns": ns} for lock, ns in waits.on.most_common()],
    }


def charged(holds: Holds) -> dict[str, Any]:
    locks = [lock._asdict() | {"ns": ns} for lock, ns in holds.on.most_common()]
    return {"count": holds.count, "ns": holds.ns, "locks": locks}
