"""Whether two threads that only read get more done than one."""

import threading

from ..crowd import Crowd
from ..libraries import FREE_THREADED, Libraries
from ..loops import Code
from ..model import CONTROL, META, OURS, THREADING, Case, Mark, Row, Settings

# Reads for each look at the stop flag, which is private to a thread and would flatter the scaling.
UNROLL = 20


def cases(libraries: Libraries, settings: Settings) -> list[Case]:
    def rate(code: Code, threads: int) -> float:
        code = code._replace(body="\n".join([code.body] * UNROLL))
        return UNROLL * Crowd([code] * threads).run(settings.seconds(0.2), settings.quick).rate / 1e6

    def scaling(code: Code) -> tuple[float, ...]:
        one, two = rate(code, 1), rate(code, 2)
        return two / one if one else 0.0, one, two

    def shared(lock: object, body: str, setup: str = "") -> Code:
        return Code({"lock": lock}, body, setup)

    reading = "with own:\n    pass"
    kept = {
        OURS: Code(
            {"make": libraries.ours.RWReadContext, "lock": libraries.ours.RWLock()}, reading, "own = make(lock)"
        ),
        THREADING: Code({"lock": threading.Lock()}, reading, "own = lock"),
        # What the machine gives at best: nothing is shared.
        CONTROL: Code({"make": threading.Lock}, reading, "own = make()"),
    }
    methods = {
        OURS: shared(libraries.ours.RWLock(), "lock.lock_read()\nlock.unlock_read()"),
        THREADING: shared(threading.Lock(), "lock.acquire()\nlock.release()"),
        CONTROL: Code({"make": threading.Lock}, "lock.acquire()\nlock.release()", "lock = make()"),
    }
    # Two calls that touch nothing but the reference count of the shared object, for comparison.
    calls = {OURS: methods[OURS], THREADING: shared(threading.Lock(), "lock.locked()\nlock.locked()")}
    if libraries.meta:
        meta = libraries.meta
        kept[META] = Code({"make": meta.RWReadContext, "lock": meta.RWLock()}, reading, "own = make(lock)")
        methods[META] = shared(meta.RWLock(), "lock.lock_read()\nlock.unlock_read()")

    def measures(codes: dict[str, Code], measure: object) -> dict:
        return {name: lambda code=code: measure(code) for name, code in codes.items()}

    # Under the GIL two threads cannot get more done than one, so there the first row has no mark.
    mark = Mark(">=", 1.8, None) if FREE_THREADED else None
    return [
        Case(
            (
                Row("read-scale-kept", "times", "reads by 2 threads / by 1, kept contexts", mark),
                Row("read-kept-1", "M/s", "reads by 1 thread, kept context"),
                Row("read-kept-2", "M/s", "reads by 2 threads, kept contexts"),
            ),
            measures(kept, scaling),
            settings.rounds(9),
        ),
        Case(
            (
                Row("read-scale-methods", "times", "reads by 2 threads / by 1, the lock's methods"),
                Row("read-methods-1", "M/s", "reads by 1 thread, the lock's methods"),
                Row("read-methods-2", "M/s", "reads by 2 threads, the lock's methods", Mark(">=", 1.0)),
            ),
            measures(methods, scaling),
            settings.rounds(9),
        ),
        Case(
            (Row("read-calls-2", "M/s", "the same against 2 locked() of a shared Lock"),),
            measures(calls, lambda code: (rate(code, 2),)),
            settings.rounds(9),
        ),
    ]
