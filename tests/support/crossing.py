"""Locks that threads take crosswise, in tests of deadlocks."""

from collections.abc import Callable
from typing import Any

import ft_utils.synchronization as ft


class Lock:
    """One way to take a lock and to let go of it, and what the error calls it."""

    def __init__(self, take: Callable[[], Any], give: Callable[[], Any], lock: Any, kind: str) -> None:
        self.take, self.give, self.lock, self.kind = take, give, lock, kind

    def __enter__(self) -> "Lock":
        self.take()
        return self

    def __exit__(self, *_: object) -> None:
        self.give()


def exclusive(make: Callable[[], Any]) -> Lock:
    lock = make()
    return Lock(lock.acquire, lock.release, lock, type(lock).__name__)


def writer(rw: Any = None) -> Lock:
    rw = rw or ft.ReaderWriterLock()
    return Lock(rw.lock_write, rw.unlock_write, rw, "ReaderWriterLock (write)")


def reader(rw: Any = None) -> Lock:
    rw = rw or ft.ReaderWriterLock()
    return Lock(rw.lock_read, rw.unlock_read, rw, "ReaderWriterLock (read)")


KINDS: dict[str, Callable[[], Lock]] = {
    "IntervalLock": lambda: exclusive(ft.IntervalLock),
    "strict IntervalLock": lambda: exclusive(lambda: ft.IntervalLock(0)),
    "RLock": lambda: exclusive(ft.RLock),
    "writer": writer,
}


def the_only(results: list[Any]) -> Any:
    errors = [result for result in results if result is not None]
    assert len(errors) == 1, errors
    return errors[0]
