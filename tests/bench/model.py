"""What a benchmark is made of: rows with marks, and cases that measure them."""

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

# One round of one subject: a value for every row of the case; None where this subject has none.
Measure = Callable[[], tuple[float | None, ...]]

OURS = "ours"
THREADING = "threading"
META = "ft_utils"
READERWRITERLOCK = "readerwriterlock"
FASTENERS = "fasteners"
# What a row is to be seen against: a lock of each thread's own where others share one, or an empty loop.
CONTROL = "control"


class Mark(NamedTuple):
    """What a row is to reach."""

    op: str
    """"<=" or ">="."""
    value: float
    over: str | None = THREADING
    """The subject that ours is divided by; None when ours itself is held against the value."""

    def met(self, figure: float) -> bool:
        return {"<=": operator.le, ">=": operator.ge}[self.op](figure, self.value)


class Row(NamedTuple):
    name: str
    unit: str
    title: str
    mark: Mark | None = None


@dataclass
class Case:
    """Rows that are measured together, every subject in turn."""

    rows: tuple[Row, ...]
    subjects: dict[str, Measure] = field(default_factory=dict)
    rounds: int = 1
    limit: float = 30.0
    """Seconds that one round of one subject may take before it counts as hung."""
    skipped: str = ""
    """Why it is not measured; empty when it is."""

    @property
    def name(self) -> str:
        return self.rows[0].name


class Hung(RuntimeError):
    """Threads did not come back; the process is of no further use."""


@dataclass
class Settings:
    """How thoroughly to measure."""

    quick: bool = False

    def rounds(self, count: int) -> int:
        return 1 if self.quick else count

    def seconds(self, span: float) -> float:
        return min(span, 0.004) if self.quick else span

    def count(self, number: int) -> int:
        return min(number, 50) if self.quick else number
