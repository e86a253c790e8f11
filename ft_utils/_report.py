"""Reports on the locks: what the Go library counts and whom it has in its queues.

Kept out of the import of ft_utils.synchronization. The Go library is loaded by the first contention;
before that, and in a child forked after that, there is nothing to report and it is not entered.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, NamedTuple

from ft_utils import _locks
from ft_utils._deadlock import ADDRESS, names
from ft_utils._fields import described

_TYPE = "The type of this package that it is or is derived from, \"IntervalLock\" say"


@described
class Stats(NamedTuple):
    """What has happened to the locks of this process. All counters only grow."""

    contended: Annotated[int, "Operations that had to queue or to look into a queue."] = 0
    parks: Annotated[int, "Times that a thread went to sleep."] = 0
    notifies: Annotated[int, "Sleeping threads woken to compete for a lock."] = 0
    handoffs: Annotated[int, "Locks handed to a waiting thread directly."] = 0
    cedes: Annotated[int, "Calls of cede() and poll() that handed the lock over."] = 0
    timeouts: Annotated[int, "Waits given up because their time was over."] = 0
    interrupts: Annotated[int, "Waits broken off by an exception from a signal handler."] = 0


@described
class LockStats(NamedTuple):
    """What has been waited for one lock, in this process, by all threads."""

    lock: Annotated[int, ADDRESS]
    type: Annotated[str, f"{_TYPE}."]
    name: Annotated[str | None, "Its name, as far as reports show it: its first 127 bytes."]
    contended: Annotated[
        int,
        "Calls that had to wait for it and are over, whether they got it or not. For an Event, a Condition or a "
        "Barrier that is what it is for; for a lock it is contention.",
    ]
    waited: Annotated[float, "Seconds that they have waited, all together."]


@described
class Holder(NamedTuple):
    """A thread that holds a lock."""

    thread: Annotated[int, "threading.get_ident() of the thread, 0 if it has ended."]
    name: Annotated[str | None, "Its name, None where threading does not know it."]


@described
class Wait(NamedTuple):
    """One thread that waits for one lock."""

    lock: Annotated[int, ADDRESS]
    thread: Annotated[int, "threading.get_ident() of the thread, 0 if it is not known."]
    kind: Annotated[
        str,
        '"exclusive"; "shared" for a reader, in Event.wait(), and at a Barrier whose last round is just ending; or '
        '"upgradable" for a thread that wants the upgradable read lock.',
    ]
    waited: Annotated[float, "Seconds since it queued."]
    notified: Annotated[bool, "Whether it has been woken to compete for the lock."]
    type: Annotated[
        str | None,
        f"{_TYPE}; None for a thread that is on its way into the queue or out of it just now, as are the next three "
        "then.",
    ] = None
    name: Annotated[str | None, "The name of the lock, as far as reports show it: its first 127 bytes."] = None
    owner: Annotated[
        Holder | None,
        "The thread that holds the lock alone, None where nobody does or nobody can tell: permits of a semaphore and "
        "the like belong to nobody.",
    ] = None
    readers: Annotated[tuple[Holder, ...], "The threads that hold a read lock of a ReaderWriterLock."] = ()


for public in (Stats, LockStats, Holder, Wait):
    public.__module__ = "ft_utils.synchronization"  # where they are public


def _reports():
    from ft_utils import _golib

    return _golib


def stats() -> Stats:
    """See ft_utils.synchronization.stats."""
    if not _locks.go_loaded():
        return Stats()
    pairs = json.loads(_reports().contention_StatsJSON())
    return Stats(**dict(zip(pairs[::2], pairs[1::2], strict=True)))


def lock_stats() -> list[LockStats]:
    """See ft_utils.synchronization.lock_stats."""
    found = [
        LockStats(word - _locks.WORD_OFFSET, what.partition(" ")[0], name, waits, seconds)
        for word, what, name, waits, seconds in _locks.waits()
    ]
    return sorted(found, key=lambda each: each.waited, reverse=True)


def snapshot() -> list[Wait]:
    """See ft_utils.synchronization.snapshot."""
    if not _locks.go_loaded():
        return []
    # Before and afterwards: whoever is in a queue in between is found by one of the two.
    known = _known()
    waits = _waits()
    known |= _known()
    nothing = (None, None, None, ())
    return [Wait(*wait, *known.get(wait[0], nothing)) for wait in waits]


def _waits() -> list[tuple[int, int, str, float, bool]]:
    """The first fields of a Wait, from the queues."""
    if not _locks.go_loaded():
        return []
    waits = json.loads(_reports().contention_SnapshotJSON())
    threads = _locks.threads()  # afterwards: a thread has its record before it waits
    return [_wait(w, threads.get(w["id"], 0)) for w in waits]


def _wait(w: dict[str, Any], thread: int) -> tuple[int, int, str, float, bool]:
    # The address of an object is a multiple of 16, and the queues go by that of its word, one after its head. The gate
    # of a ReaderWriterLock for upgradable readers is the word after that.
    address = w["key"] - _locks.WORD_OFFSET
    return address & -16, thread, "upgradable" if address & 8 else w["kind"], w["waited"], w["notified"]


def _known() -> dict[int, tuple[Any, ...]]:
    """The other fields, of each lock that is waited for, from the records of the threads."""
    threads = names()
    known = {}
    for word, what, name, *_, holders in _locks.dump_facts(False):
        # Without generators: CPython 3.13.5 crashes where there is no memory for one.
        alone = [Holder(ident, threads.get(ident)) for ident, _, alone in holders if alone]
        sharing = [Holder(ident, threads.get(ident)) for ident, _, alone in holders if not alone]
        known[word - _locks.WORD_OFFSET] = what.partition(" ")[0], name, alone[0] if alone else None, tuple(sharing)
    return known


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
            found = [thread for lock, thread, *_ in _waits() if lock == id(self._condition)]
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
