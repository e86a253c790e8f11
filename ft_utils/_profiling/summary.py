"""What a profile says of each lock and of each line: sums, percentiles, who waited most and for whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ft_utils._profiling.profile import Profile


class Line(NamedTuple):
    """The line of a program."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        if not self.file:
            return self.function
        return f"{self.file}:{self.line}" if self.line else self.file


DROPPED = Line("", 0, "[stack dropped]")


class Lock(NamedTuple):
    kind: str
    name: str
    id: int

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass
class Waits:
    """Waits that are reported together."""

    count: int = 0
    ns: int = 0
    longest: int = 0
    histogram: Counter[int] = field(default_factory=Counter)
    at: Counter[Line] = field(default_factory=Counter)
    """Nanoseconds waited, by line."""
    on: Counter[Lock] = field(default_factory=Counter)
    """Nanoseconds waited, by lock."""
    held: Counter[Line] = field(default_factory=Counter)
    """Nanoseconds waited, as far as they were charged, by the line that the holder was at."""

    def percentile(self, part: float) -> int:
        """The time that this part of the waits were shorter than, as exactly as powers of two can tell."""
        left = part * self.histogram.total()
        for entry in sorted(self.histogram):
            count = self.histogram[entry]
            if left <= count:
                low = 1 << entry
                high = max(low, min(2 * low, self.longest or 2 * low))
                return int(low + (high - low) * left / count)
            left -= count
        return self.longest


@dataclass
class Holds:
    """Where locks were held while others waited."""

    count: int = 0
    ns: int = 0
    on: Counter[Lock] = field(default_factory=Counter)


@dataclass
class Summary:
    """Everything by lock and by line, the largest time first."""

    locks: dict[Lock, Waits] = field(default_factory=dict)
    others: dict[Lock, Waits] = field(default_factory=dict)
    """Waits that are no contention: of Condition, Event, Semaphore and Barrier."""
    lines: dict[Line, Waits] = field(default_factory=dict)
    other_lines: dict[Line, Waits] = field(default_factory=dict)
    holders: dict[Line, Holds] = field(default_factory=dict)

    @property
    def contentions(self) -> int:
        return sum(waits.count for waits in self.locks.values())

    @property
    def ns(self) -> int:
        return sum(waits.ns for waits in self.locks.values())


def summarize(profile: Profile) -> Summary:
    data = profile.data
    lines = [Line(f["file"], f["line"], f["function"]) for f in data["frames"]]
    locks = [Lock(lock["kind"], lock["name"], lock["id"]) for lock in data["locks"]]
    rate = data.get("rate", 1)
    summary = Summary()
    for sample in data["samples"]:
        line = lines[sample["stack"][0]] if sample["stack"] else DROPPED
        lock = locks[sample["lock"]]
        if sample["role"] == "holder":
            add_holder(summary, sample, line, lock)
        else:
            add_waiter(summary, sample, line, lock, rate)
    for table in (summary.locks, summary.others, summary.lines, summary.other_lines, summary.holders):
        sort(table)
    return summary


def sort(table: dict[Any, Any]) -> None:
    rows = sorted(table.items(), key=lambda row: (-row[1].ns, -row[1].count, row[0]))
    table.clear()
    table.update(rows)


def add_waiter(summary: Summary, sample: dict[str, Any], line: Line, lock: Lock, rate: int) -> None:
    apart = sample["side"] == "wait"
    by_lock = (summary.others if apart else summary.locks).setdefault(lock, Waits())
    by_line = (summary.other_lines if apart else summary.lines).setdefault(line, Waits())
    for waits in (by_lock, by_line):
        waits.count += sample["count"] * rate
        waits.ns += sample["ns"] * rate
        waits.longest = max(waits.longest, sample.get("max_ns", 0))
        waits.histogram.update(entries(sample))
        waits.at[line] += sample["ns"] * rate
        waits.on[lock] += sample["ns"] * rate


def entries(sample: dict[str, Any]) -> dict[int, int]:
    """The histogram of a sample; one that has none waited for the mean time each time."""
    histogram = sample.get("histogram")
    if not histogram and sample["count"]:
        return {max((sample["ns"] // sample["count"]).bit_length() - 1, 0): sample["count"]}
    return {entry: count for entry, count in enumerate(histogram or []) if count}


def add_holder(summary: Summary, sample: dict[str, Any], line: Line, lock: Lock) -> None:
    """A lock that was charged has a row even where no wait for it was recorded."""
    summary.locks.setdefault(lock, Waits()).held[line] += sample["ns"]
    holds = summary.holders.setdefault(line, Holds())
    holds.count += sample["count"]
    holds.ns += sample["ns"]
    holds.on[lock] += sample["ns"]


def top(counter: Counter[Any]) -> Any:
    """What has most; None where there is nothing."""
    return counter.most_common(1)[0][0] if counter else None


def notes(profile: Profile) -> Iterable[str]:
    """What a reader of the numbers has to know."""
    data = profile.data
    dropped = data.get("dropped", {})
    if data.get("rate", 1) > 1:
        yield f"One contention in {data['rate']} was recorded; counts and times are multiplied by {data['rate']}."
    if data.get("rates"):
        rates = ", ".join(map(str, data["rates"]))
        yield f"Recordings of one contention in {rates} are added up; counts and times are multiplied by those rates."
    if data.get("minimum_ns"):
        yield f"Waits shorter than {seconds(data['minimum_ns'])} were not recorded."
    if any(sample["role"] == "holder" for sample in data["samples"]):
        yield "What holders are charged is sampled in time."
    if dropped.get("stacks"):
        yield f"There was no room for the stacks of {dropped['stacks']} contentions."
    if dropped.get("samples"):
        yield f"There was no room for {dropped['samples']} contentions, which are in no number."


def seconds(ns: float) -> str:
    """A time in words, with three digits."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        number = ns / size
        if number >= 0.9995:
            return f"{number:.{2 if number < 9.995 else 1 if number < 99.95 else 0}f} {unit}"
    return f"{ns:.0f} ns"
