"""Locks for threaded Python, at home on the GIL build and on the free-threaded build.

IntervalLock is a mutual exclusion lock that is handed over fairly; ReaderWriterLock (RWLock)
admits many readers or one writer; RWReadContext and RWWriteContext are reusable handles on its
two sides. Lock, RLock, Semaphore, BoundedSemaphore, Event, Condition and Barrier are threading's,
on the same machinery. ResizableSemaphore hands out several permits at once, up to a limit that can
be changed; KeyedLock has one lock a key. stats() and snapshot() say how the locks of this process
are doing and which thread waits for what.
"""

from ft_utils._locks import (
    Barrier,
    BoundedSemaphore,
    Condition,
    Event,
    IntervalLock,
    KeyedContext,
    KeyedLock,
    Lock,
    ReaderWriterLock,
    ResizableSemaphore,
    RLock,
    RWReadContext,
    RWWriteContext,
    Semaphore,
)

__all__ = [
    "Barrier",
    "BoundedSemaphore",
    "BrokenBarrierError",  # noqa: F822 (see __getattr__)
    "Condition",
    "DeadlockError",  # noqa: F822
    "Event",
    "IntervalLock",
    "KeyedContext",
    "KeyedLock",
    "Lock",
    "RLock",
    "RWLock",
    "RWReadContext",
    "RWWriteContext",
    "ReaderWriterLock",
    "ResizableSemaphore",
    "Semaphore",
    "snapshot",
    "stats",
]

RWLock = ReaderWriterLock


def __getattr__(name):
    # The exception is threading's own, so that one except clause serves both. Its module takes
    # milliseconds to import, so that waits until somebody asks.
    if name == "DeadlockError":
        from ft_utils._deadlock import DeadlockError

        globals()[name] = DeadlockError
        return DeadlockError
    if name == "BrokenBarrierError":
        from threading import BrokenBarrierError

        globals()[name] = BrokenBarrierError
        return BrokenBarrierError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def stats():
    """Return what has happened to the locks of this process so far, as a Stats.

    Its counters only grow. They count what the word of a lock could not settle alone; an
    uncontended operation counts nowhere. In a child forked after a contention they are those of the
    child, which waits without Go and counts nothing. ImportError in a subinterpreter that cannot
    load the module of counters.
    """
    from ft_utils import _report

    return _report.stats()


def snapshot():
    """Return the threads that wait for a lock now, as a list of Wait.

    Those of one side of one lock stand in the order in which they will be served. The list is put
    together lock by lock: it is not one moment's. Empty in a forked child. ImportError as for stats().
    """
    from ft_utils import _report

    return _report.snapshot()
