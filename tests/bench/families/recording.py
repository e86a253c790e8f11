"""What recording contentions costs: ours with the recorder on, beside the same with it off ("control").

That it costs nothing while it is off is what all the other rows show.
"""

from typing import Any

from ..crowd import Crowd
from ..libraries import Libraries
from ..loops import Code, per_statement
from ..model import CONTROL, OURS, Case, Mark, Measure, Row, Settings
from .conditions import ping_pong, rounds
from .contended import SECTIONS, codes
from .locks import Spelling, bound, methods

DEPTHS = (10, 50)
"""Python frames of one wait, at least."""


def cases(libraries: Libraries, settings: Settings) -> list[Case]:
    from ft_utils import _recorder

    ours = libraries.ours
    exclusive = bound(ours.IntervalLock, "lock", "unlock")
    writers = bound(ours.ReaderWriterLock, "lock_write", "unlock_write")
    interval = methods(ours.IntervalLock, "lock", "unlock")
    writing = methods(ours.ReaderWriterLock, "lock_write", "unlock_write")

    def recorded(measure: Measure) -> Measure:
        def measured() -> tuple[float | None, ...]:
            _recorder.start()
            try:
                return measure()
            finally:
                _recorder.stop()

        return measured

    def case(row: Row, measure: Measure, rounds: int) -> Case:
        return Case((row,), {OURS: recorded(measure), CONTROL: measure}, settings.rounds(rounds))

    def alone(name: str, title: str, code: Code) -> Case:
        row = Row(f"record-{name}", "ns", f"{title}, recording", Mark("<=", 1.02, CONTROL))
        return case(row, per_statement(code, settings.quick), 81)

    def contended(threads: int, section: str, spelling: Spelling = exclusive, name: str = "") -> Case:
        def throughput() -> tuple[float]:
            crowd = Crowd(codes(spelling, threads, section))
            return (crowd.run(settings.seconds(0.3), settings.quick).rate / 1000,)

        inside = "empty section" if section == "empty" else "50 iterations inside"
        title = f"{threads} {'writers' if name else 'threads'}, {inside}, recording"
        row = Row(f"record-{name}{threads}-{section}", "k/s", title, Mark(">=", 0.9, CONTROL))
        return case(row, throughput, 15)

    def waits(depth: int) -> Case:
        row = Row(f"record-wait-{depth}", "ns", f"a wait that is over at once, {depth} frames deep, recording")
        return case(row, one_wait(ours.Lock(), depth, settings), 21)

    kept = Code({"lock": ours.RWReadContext(ours.ReaderWriterLock())}, "with lock:\n    pass")
    return [
        alone("interval-pair", "IntervalLock lock(), unlock()", interval.code()),
        alone("write-pair", "lock_write(), unlock_write()", writing.code()),
        alone("with-read-kept", "with a kept RWReadContext", kept),
        *(contended(threads, section) for threads in (2, 8) for section in SECTIONS),
        contended(8, "work", writers, "write-"),
        *(waits(depth) for depth in DEPTHS),
        case(
            Row("record-ping-pong", "µs", "a wake-up in Condition ping-pong, 2 threads, recording"),
            lambda: ping_pong(ours, settings.count(4000)),
            9,
        ),
        case(
            Row("record-barrier-4", "µs", "a Barrier round of 4 threads, recording"),
            lambda: rounds(ours, 4, settings.count(1000)),
            9,
        ),
    ]


def one_wait(lock: Any, depth: int, settings: Settings) -> Measure:
    """A thread waits for its own Lock, with no time to wait: nearly all of it is the slow path."""
    lock.acquire()
    lock.acquire(timeout=1e-9)  # the first loads Go
    measure = per_statement(Code({"lock": lock}, "lock.acquire(timeout=1e-9)"), settings.quick)

    def below(frames: int) -> tuple[float | None, ...]:
        return measure() if frames == 0 else below(frames - 1)

    return lambda: below(depth)
