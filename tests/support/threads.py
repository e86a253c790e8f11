"""Threads that start together, end within a limit and hand their exceptions back."""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Self

from ft_utils.synchronization import IntervalLock, snapshot

# What a machine under load may need. Only a failing test ever waits that long.
LIMIT = 30.0


def until(predicate: Callable[[], Any], what: str = "the awaited state", limit: float = LIMIT) -> Any:
    """Wait until the predicate is true, and return what it gave."""
    deadline = time.monotonic() + limit
    while not (result := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come about within {limit} s")
        # That a thread has gone to sleep in a lock is a state and no event: it can only be looked at. The sleep
        # leaves the processor to the thread that is watched; whether the test passes does not depend on it.
        time.sleep(0.0005)
    return result


def waiters(lock: object) -> list[Any]:
    """The waiters of one lock, the longest first."""
    return sorted((w for w in snapshot() if w.lock == id(lock)), key=lambda w: -w.waited)


def waiting(lock: object, count: int = 1) -> list[Any]:
    """Wait until so many threads wait for the lock, and return them."""
    return until(lambda: len(found := waiters(lock)) == count and found, f"{count} waiting for {lock!r}")


def exercise(*bodies: Callable[[], Any], limit: float = LIMIT) -> list[Any]:
    """Run every body in a thread of its own, all started at once; return their results in order.

    The first exception is raised again here. The threads are daemons, so one that hangs cannot keep the process.
    """
    start = threading.Barrier(len(bodies))
    futures: list[Future[Any]] = [Future() for _ in bodies]

    def run(body: Callable[[], Any], future: Future[Any]) -> None:
        start.wait(limit)
        fulfil(future, body)

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in zip(bodies, futures, strict=True)]
    for thread in threads:
        thread.start()
    join(threads, limit)
    return [future.result(0) for future in futures]


def fulfil(future: Future[Any], body: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    try:
        future.set_result(body(*args, **kwargs))
    except BaseException as error:  # an interrupt in a body is a result as well
        future.set_exception(error)


def join(threads: list[threading.Thread], limit: float = LIMIT) -> None:
    """Join all of them within one limit."""
    deadline = time.monotonic() + limit
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    hanging = [thread.name for thread in threads if thread.is_alive()]
    assert not hanging, f"still running after {limit} s: {hanging}"


class Puppet:
    """A thread that does what it is told, one call after another."""

    def __init__(self, name: str = "puppet") -> None:
        self._calls: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._obey, name=name, daemon=True)
        self._thread.start()

    def _obey(self) -> None:
        while (call := self._calls.get()) is not None:
            fulfil(*call[:2], *call[2], **call[3])
            del call  # the puppet must not keep alive what the test wants to see collected

    @property
    def ident(self) -> int:
        ident = self._thread.ident
        assert ident is not None
        return ident

    def start(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> "Future[Any]":
        """Let the puppet make a call that may block; the future has its outcome."""
        future: Future[Any] = Future()
        self._calls.put((future, function, args, kwargs))
        return future

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Let the puppet make a call, and return its result here."""
        return self.start(function, *args, **kwargs).result(LIMIT)

    def close(self, limit: float = LIMIT) -> None:
        self._calls.put(None)
        join([self._thread], limit)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def contend() -> None:
    """Have one thread wait for another, after which Go is loaded."""
    lock = IntervalLock(0)
    lock.lock()
    with Puppet("contender") as contender:
        got = contender.start(lock.lock)
        waiting(lock)
        lock.unlock()
        got.result(LIMIT)
        contender.run(lock.unlock)
