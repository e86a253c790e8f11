"""Locks for threaded Python, at home on the GIL build and on the free-threaded build.

IntervalLock is a mutual exclusion lock that is handed over fairly; ReaderWriterLock (RWLock)
admits many readers or one writer; RWReadContext and RWWriteContext are reusable handles on its
two sides. stats() and snapshot() say how the locks of this process are doing and which thread
waits for what.
"""

from ft_utils._locks import IntervalLock, ReaderWriterLock, RWReadContext, RWWriteContext

__all__ = [
    "IntervalLock",
    "RWLock",
    "RWReadContext",
    "RWWriteContext",
    "ReaderWriterLock",
    "snapshot",
    "stats",
]

RWLock = ReaderWriterLock


def stats():
    """Return what has happened to the locks of this process so far, as a Stats.

    Its counters only grow. They count what the word of a lock could not settle alone; an
    uncontended operation counts nowhere. In a child forked after a contention they are those of the
    child, which waits by polling and counts nothing. ImportError in a subinterpreter that cannot
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
