"""As nomemory.py and nomemory_raw.py, for the record of where threads wait."""

import ctypes
from typing import Any

from ft_utils import _locks
from ft_utils.synchronization import Lock

from .nomemory import MOMENT, on_a_new_thread, starved, sweep

ROOM = 64


def one_wait(lock: Any) -> None:
    assert not lock.acquire(timeout=MOMENT)


def held() -> Any:
    lock = Lock(name="held")
    lock.acquire()
    one_wait(lock)  # all that a first wait takes is there
    return lock


def stops() -> None:
    """A report that there is no memory for is lost, and the recording is over all the same."""
    lock = held()

    def attempt(number: int) -> bool:
        _locks.record_start(1, 0, ROOM)
        one_wait(lock)
        failed = starved(number, _locks.record_stop)
        assert not _locks.recording()
        return failed

    assert sweep(attempt) > 5


def waits() -> None:
    """Memory of Python's is needed for the name of a thread alone: the wait is as ever, and it is recorded."""
    lock = held()

    def attempt(number: int) -> bool:
        _locks.record_start(1, 0, ROOM)
        failed = on_a_new_thread(starved, number, lock.acquire, True, MOMENT)
        *_, samples, dropped = _locks.record_stop()
        assert failed or (len(samples), dropped) == (1, (0, 0)), (samples, dropped)
        return failed

    sweep(attempt)


def waits_raw() -> None:
    """What there is no memory for in the table is counted; the wait itself is as ever."""
    library = ctypes.CDLL(None)
    library.starve.argtypes, library.feed.restype = [ctypes.c_long], ctypes.c_long
    lock, number, failed = held(), 0, True
    while failed:
        _locks.record_start(1, 0, ROOM)
        library.starve(number)
        one_wait(lock)
        failed = library.feed() > 0
        *_, samples, (no_stack, nothing) = _locks.record_stop()
        # A histogram is the last of a sample, the number of its stack the fifth: -1 where that was dropped.
        assert sum(sum(sample[-1]) for sample in samples) + nothing == 1
        assert no_stack == sum(sample[4] < 0 for sample in samples) == int(failed and nothing == 0)
        number += 1
    assert number > 3


def starts_raw() -> None:
    """Nothing is recorded without a table, and what was made of it is free."""
    from .nomemory_raw import fails

    number = 0
    while fails(number, _locks.record_start, 1, 0, ROOM):
        assert not _locks.recording()
        number += 1
    assert number > 3
    _locks.record_stop()
