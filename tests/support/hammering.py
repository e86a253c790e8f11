"""A lock that others take and release all the time."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ft_utils.synchronization import IntervalLock, Lock

from .threads import LIMIT, Puppet


@contextmanager
def hammered(lock: IntervalLock | Lock, threads: int = 1) -> Iterator[None]:
    """The lock is taken and released by others all the time."""
    stop: list[bool] = []

    def hammer() -> None:
        acquire, release = lock.acquire, lock.release
        while not stop:
            acquire()
            release()

    others = [threading.Thread(target=hammer) for _ in range(threads)]
    for other in others:
        other.start()
    try:
        yield
    finally:
        stop.append(True)
        for other in others:
            other.join(LIMIT)
    assert not any(other.is_alive() for other in others), "a thread waits for a lock that nobody holds"


def sleeps_its_time(lock: IntervalLock | Lock) -> None:
    """A wake-up that was left over would end a wait early, and Python takes the time that is over for its result."""
    with Puppet("holder") as holder:
        holder.run(lock.acquire)
        start = time.monotonic()
        assert not lock.acquire(timeout=0.05)
        assert time.monotonic() - start >= 0.05
        holder.run(lock.release)


def signalled() -> None:
    lock, other = IntervalLock(), IntervalLock()
    seen: list[int] = []

    def handler(*_: object) -> None:
        with other:
            seen.append(1)
        # Only now the next: on a busy machine a periodic one interrupts this handler, which then asks for a lock
        # that its own thread holds.
        signal.setitimer(signal.ITIMER_REAL, 0.0007)

    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0003)
    deadline = time.monotonic() + LIMIT
    with hammered(lock):
        while len(seen) < 200 and time.monotonic() < deadline:
            with lock:
                pass
    assert len(seen) >= 200
    signal.signal(signal.SIGALRM, signal.SIG_IGN)  # first, as the handler would set the timer again
    signal.setitimer(signal.ITIMER_REAL, 0)
    sleeps_its_time(lock)
    assert not lock.locked()
