"""The threading family, with nobody waiting."""

import threading

from ..libraries import Libraries
from ..loops import Code, per_statement
from ..model import OURS, THREADING, Case, Mark, Row, Settings

PAIR = "it.acquire()\nit.release()"
ROWS = (
    # row, class, title, mark, statements
    ("lock-pair", "Lock", "Lock acquire(), release()", 0.85, PAIR),
    ("rlock-pair", "RLock", "RLock acquire(), release()", 0.85, PAIR),
    ("semaphore-pair", "Semaphore", "Semaphore acquire(), release()", 0.08, PAIR),
    ("bounded-semaphore-pair", "BoundedSemaphore", "BoundedSemaphore acquire(), release()", 0.08, PAIR),
    ("event-set-clear", "Event", "Event set(), clear()", 0.08, "it.set()\nit.clear()"),
    ("event-is-set", "Event", "Event is_set()", 1.0, "it.is_set()"),
    ("notify-nobody", "Condition", "with c: c.notify(), nobody waiting", 0.35, "with it:\n    it.notify()"),
)


def cases(libraries: Libraries, settings: Settings) -> list[Case]:
    found = []
    for name, kind, title, mark, body in ROWS:
        skipped = libraries.lacking(kind)
        makers = {} if skipped else {OURS: getattr(libraries.ours, kind), THREADING: getattr(threading, kind)}
        subjects = {s: per_statement(Code({"it": make()}, body), settings.quick) for s, make in makers.items()}
        row = Row(name, "ns", title, Mark("<=", mark))
        found.append(Case((row,), subjects, settings.rounds(41), skipped=skipped))
    return found
