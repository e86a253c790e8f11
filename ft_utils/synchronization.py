"""Locks for threaded Python, at home on the GIL build and on the free-threaded build.

IntervalLock is a mutual exclusion lock that is handed over fairly; ReaderWriterLock (RWLock)
admits many readers or one writer; RWReadContext, RWWriteContext and RWUpgradeContext are reusable
handles on its sides. Lock, RLock, Semaphore, BoundedSemaphore, Event, Condition and Barrier are
threading's, on the same machinery. ResizableSemaphore hands out several permits at once, up to a
limit that can be changed; KeyedLock has one lock a key. stats() and snapshot() say how the locks of
this process are doing and which thread waits for what.
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
    RWUpgradeContext,
    RWWriteContext,
    Semaphore,
    TimedContext,
)

__all__ = [
    "Barrier",
    "BoundedSemaphore",
    "BrokenBarrierError",  # noqa: F822 (see __getattr__)
    "Condition",
    "DeadlockError",  # noqa: F822
    "Event",
    "Holder",  # noqa: F822
    "IntervalLock",
    "KeyedContext",
    "KeyedLock",
    "Lock",
    "LockStats",  # noqa: F822
    "RLock",
    "RWLock",
    "RWReadContext",
    "RWUpgradeContext",
    "RWWriteContext",
    "ReaderWriterLock",
    "ResizableSemaphore",
    "Semaphore",
    "Stats",  # noqa: F822
    "TimedContext",
    "Wait",  # noqa: F822
    "lock_stats",
    "snapshot",
    "stats",
]

RWLock = ReaderWriterLock


# What is imported when somebody asks for it: their modules take milliseconds. BrokenBarrierError
# is threading's own, so that one except clause serves both.
_LATE = {
    "BrokenBarrierError": "threading",
    "DeadlockError": "ft_utils._deadlock",
    "Holder": "ft_utils._report",
    "LockStats": "ft_utils._report",
    "Stats": "ft_utils._report",
    "Wait": "ft_utils._report",
}


def __getattr__(name):
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(__import__(_LATE[name], fromlist=[name]), name)
    return found


def stats():
    """Return what has happened to the locks of this process so far, as a Stats.

    Its counters only grow. They count what the word of a lock could not settle alone; an
    uncontended operation counts nowhere. In a child forked after a contention they are those of the
    child, which waits without Go and counts nothing. ImportError in a subinterpreter that cannot
    load the module of counters.
    """
    from ft_utils import _report

    return _report.stats()


def lock_stats():
    """Return which locks have been waited for, as a list of LockStats: how often, and for how many
    seconds in all. The one that has cost most is the first.

    Locks that nobody ever had to wait for are not in it; the counts of a lock are gone when the
    lock is, those of a key of a KeyedLock when nobody uses the key any more. A call counts once its
    wait is over, with the lock or without, cede() and poll() where they handed it over among them;
    one that has got the lock without being queued does not. In a forked child the counts begin
    anew. It is apart from stats(), whose counters are of all locks that there ever were, and only
    grow.
    """
    from ft_utils import _report

    return _report.lock_stats()


def snapshot():
    """Return the threads that wait for a lock now, as a list of Wait: who for what, for how many
    seconds, and who holds it.

    Those of one side of one lock stand in the order in which they will be served. The list is put
    together lock by lock: it is not one moment's. Empty in a child forked after a contention, which
    has no queues. ImportError as for stats().
    """
    from ft_utils import _report

    return _report.snapshot()
