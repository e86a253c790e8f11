"""The seven primitives of threading, in the standard library and in ours, for one suite over both."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import ft_utils.synchronization as ours
from ft_utils.synchronization import IntervalLock, ReaderWriterLock, RWReadContext, RWWriteContext

from .threads import until, waiters

MODULES: list[ModuleType] = [threading, ours]
NAMES = ["Lock", "RLock", "Semaphore", "BoundedSemaphore", "Event", "Condition", "Barrier"]
REQUIRED: dict[str, tuple[Any, ...]] = {"Barrier": (2,)}  # arguments without a default


def make(module: ModuleType, name: str) -> Any:
    return getattr(module, name)(*REQUIRED.get(name, ()))


def ours_alike(name: str) -> Any:
    return make(ours, name)


def blocked(target: Any, count: int = 1) -> None:
    """Wait until so many threads wait in an object, as far as that can be seen.

    The locks of the standard library show nobody; a test that uses them must hold however early it goes on.
    """
    if type(target).__module__ == threading.__name__:
        queue = getattr(target, "_cond", target)._waiters
        until(lambda: len(queue) == count, f"{count} waiting in {target!r}")
    elif not isinstance(target, STANDARD_LOCKS):
        until(lambda: len(waiters(target)) == count, f"{count} waiting in {target!r}")


STANDARD_LOCKS = (type(threading.Lock()), type(threading.RLock()))


# --- locks for a condition ------------------------------------------------------------------------------------------


class Duck:
    """The least that a condition may be given: acquire and release. Since 3.14 threading's asks for locked too."""

    def __init__(self) -> None:
        lock = threading.Lock()
        self.acquire = lock.acquire
        self.release = lock.release
        if sys.version_info >= (3, 14):
            self.locked = lock.locked


# How each is made, as a name and a function: ours may be missing when this is imported.
LOCKS: dict[str, Callable[[], Any]] = {
    "no lock given": lambda: None,
    "threading.Lock": threading.Lock,
    "threading.RLock": threading.RLock,
    "Lock": lambda: ours.Lock(),
    "RLock": lambda: ours.RLock(),
    "IntervalLock": IntervalLock,
    "IntervalLock(0)": lambda: IntervalLock(0),
    "RWReadContext": lambda: RWReadContext(ReaderWriterLock()),
    "RWWriteContext": lambda: RWWriteContext(ReaderWriterLock()),
    "Duck": Duck,
}
SHARED = {"RWReadContext"}  # several threads may hold it at once
REENTRANT = {"no lock given", "threading.RLock", "RLock"}
OWNERLESS = {"threading.Lock", "Lock", "Duck"}  # who holds it is not told, by threading.Lock at least


@contextmanager
def holding(lock: Any) -> Iterator[None]:
    """A with statement for what has acquire and release only."""
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def wait_holding(condition: Any, *args: Any, **kwargs: Any) -> Any:
    """What a waiter's whole call does."""
    with holding(condition):
        return condition.wait(*args, **kwargs)


def notify(condition: Any, *args: Any, **kwargs: Any) -> None:
    with holding(condition):
        assert condition.notify(*args, **kwargs) is None


def notify_all(condition: Any) -> None:
    with holding(condition):
        assert condition.notify_all() is None
