"""Taking and letting go of a lock that nobody else wants."""

from ..libraries import Libraries
from ..loops import Code, per_statement
from ..model import CONTROL, OURS, THREADING, Case, Mark, Row, Settings
from .locks import bound, exclusive, methods, side


def cases(libraries: Libraries, settings: Settings) -> list[Case]:
    ours = libraries.ours

    def case(name: str, title: str, mark: float, spellings: dict) -> Case:
        subjects = {s: per_statement(spelling.code(), settings.quick) for s, spelling in spellings.items()}
        return Case((Row(name, "ns", title, Mark("<=", mark)),), subjects, settings.rounds(41))

    def acquiring(spellings: dict, ours_too: object) -> dict:
        return {OURS: ours_too, THREADING: spellings[THREADING]}

    locks, reading, writing = exclusive(libraries, methods, False), side(libraries, "read"), side(libraries, "write")
    interval, rwlock = ours.IntervalLock, ours.ReaderWriterLock
    empty = {CONTROL: per_statement(Code({"lock": None}, "pass"), settings.quick)}
    return [
        Case((Row("empty-loop", "ns", "the loop alone, for each statement"),), empty, settings.rounds(41)),
        case("interval-pair", "IntervalLock lock(), unlock()", 0.90, locks),
        case(
            "interval-acquire",
            "IntervalLock acquire(), release()",
            0.90,
            acquiring(locks, methods(interval, "acquire", "release")),
        ),
        case("interval-bound", "the same by methods bound before", 0.90, exclusive(libraries, bound, False)),
        case("read-pair", "lock_read(), unlock_read()", 0.85, reading),
        case(
            "read-acquire",
            "acquire_read(), release_read()",
            0.85,
            acquiring(reading, methods(rwlock, "acquire_read", "release_read")),
        ),
        case("write-pair", "lock_write(), unlock_write()", 0.85, writing),
        case(
            "write-acquire",
            "acquire_write(), release_write()",
            0.85,
            acquiring(writing, methods(rwlock, "acquire_write", "release_write")),
        ),
    ]
