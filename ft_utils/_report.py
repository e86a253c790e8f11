"""Reports on the locks: what the Go library counts and whom it has in its queues.

Kept out of the import of ft_utils.synchronization. The Go library is loaded by the first contention;
before that, and in a child forked after that, there is nothing to report and it is not entered.
"""

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ft_utils import _locks


class Stats(NamedTuple):
    """What has happened to the locks of this process. All counters only grow."""

    contended: int = 0
    """Operations that had to queue or to look into a queue."""
    parks: int = 0
    """Times that a thread went to sleep."""
    notifies: int = 0
    """Sleeping threads woken to compete for a lock."""
    handoffs: int = 0
    """Locks handed to a waiting thread directly."""
    cedes: int = 0
    """Calls of cede() and poll() that handed the lock over."""
    timeouts: int = 0
    """Waits given up because their time was over."""
    interrupts: int = 0
    """Waits broken off by an exception from a signal handler."""


class Wait(NamedTuple):
    """One thread that waits for one lock."""

    lock: int
    """id() of the lock."""
    thread: int
    """threading.get_ident() of the thread, 0 if it is not known."""
    kind: str
    """"exclusive", or "shared" for a reader."""
    waited: float
    """Seconds since it queued."""
    notified: bool
    """Whether it has been woken to compete for the lock."""


def _reports():
    from ft_utils import _golib

    return _golib


def stats() -> Stats:
    """See ft_utils.synchronization.stats."""
    if not _locks.go_loaded():
        return Stats()
    return Stats(**json.loads(_reports().contention_StatsJSON()))


def snapshot() -> list[Wait]:
    """See ft_utils.synchronization.snapshot."""
    if not _locks.go_loaded():
        return []
    waits = json.loads(_reports().contention_SnapshotJSON())
    threads = _locks.threads()  # afterwards: a thread has its record before it waits
    return [
        Wait(w["key"] - _locks.WORD_OFFSET, threads.get(w["id"], 0), w["kind"], w["waited"], w["notified"])
        for w in waits
    ]


class Waiters(Sequence[int]):
    """Who waits for a Condition, now and whenever it is looked at (Condition._waiters).

    threading.get_ident() of each, the one that has waited longest first; 0 where it is not known. It can be counted
    and read, and not be changed.
    """

    def __init__(self, condition):
        self._condition = condition

    def _idents(self) -> list[int]:
        count = len(self)
        try:
            found = [wait.thread for wait in snapshot() if wait.lock == id(self._condition)]
        except ImportError:  # a subinterpreter without the module of queues
            found = []
        return found + [0] * (count - len(found))  # nor are there queues where threads poll

    def __len__(self) -> int:
        return _locks.waiting(self._condition)

    def __getitem__(self, index):
        return self._idents()[index]

    def __iter__(self) -> Iterator[int]:
        return iter(self._idents())

    def __repr__(self) -> str:
        return f"Waiters({self._idents()})"
