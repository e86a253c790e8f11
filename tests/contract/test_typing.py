"""LockLike at run time; what type checkers say of it: tests/data/typed_uses.py, by `make test`."""

import threading
from contextlib import AbstractContextManager
from typing import Any

import pytest

from ft_utils.synchronization import (
    Barrier,
    BoundedSemaphore,
    Condition,
    Event,
    IntervalLock,
    Lock,
    ReaderWriterLock,
    RLock,
    RWReadContext,
    RWWriteContext,
    Semaphore,
)
from ft_utils.typing import LockLike

LOCKS = [
    Lock(),
    RLock(),
    IntervalLock(),
    Semaphore(),
    BoundedSemaphore(),
    Condition(),
    RWReadContext(ReaderWriterLock()),
    RWWriteContext(ReaderWriterLock()),
    threading.Lock(),
    threading.RLock(),
    threading.Semaphore(),
    threading.Condition(),
]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: f"{type(lock).__module__}.{type(lock).__name__}")
def test_what_is_a_lock_does_what_one_does(lock: Any) -> None:
    assert isinstance(lock, LockLike) and isinstance(lock, AbstractContextManager)
    with lock:
        pass
    assert lock.acquire(True, 1.0) is True
    lock.release()
    assert lock.acquire(blocking=False) is True
    lock.release()


@pytest.mark.parametrize("other", [ReaderWriterLock(), Event(), Barrier(1)], ids=lambda other: type(other).__name__)
def test_what_is_none(other: Any) -> None:
    assert not isinstance(other, LockLike)
