"""A lock that is not ours and waits for one of ours in its methods, and the locks that it can wait for."""

import threading
from typing import Any

import ft_utils.synchronization as ft


def shared_and_blocker() -> tuple[Any, Any]:
    rw = ft.ReaderWriterLock()
    return ft.RWReadContext(rw), ft.RWWriteContext(rw)


def exclusive(make: Any) -> tuple[Any, Any]:
    lock = make()
    return lock, lock


def queue_of(inner: Any) -> Any:
    """The lock that one waits for by way of a context, or the lock itself."""
    return inner.lock if isinstance(inner, ft.RWReadContext | ft.RWWriteContext) else inner


# What release() takes, and what another thread holds so that it has to wait.
INNER = {
    "Lock": lambda: exclusive(ft.Lock),
    "RLock": lambda: exclusive(ft.RLock),
    "IntervalLock": lambda: exclusive(ft.IntervalLock),
    "strict IntervalLock": lambda: exclusive(lambda: ft.IntervalLock(0)),
    "reader": shared_and_blocker,
    "writer": lambda: exclusive(lambda: ft.RWWriteContext(ft.ReaderWriterLock())),
    "Semaphore": lambda: exclusive(ft.Semaphore),
}


class Logging:
    """A lock that notes each release, under a lock of ours. It has nothing but what any lock has."""

    def __init__(self, inner: Any) -> None:
        self.outer, self.inner, self.releases = threading.Lock(), inner, 0

    def acquire(self, blocking: bool = True) -> bool:
        return self.outer.acquire(blocking)

    def release(self) -> None:
        with self.inner:
            self.releases += 1
        self.outer.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.outer.release()
