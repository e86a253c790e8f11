"""Threads that are at one lock all the time: who is served, and what it costs them.

A thread that is woken to compete may find the lock taken again; it naps, or sleeps on. None of that may lose a
wake-up, or leave one over for the next wait.
"""

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from ft_utils.synchronization import IntervalLock, Lock, ReaderWriterLock, RWReadContext, RWWriteContext, stats

from ..support.hammering import hammered, sleeps_its_time
from ..support.process import run_isolated
from ..support.threads import LIMIT, Puppet, exercise, until

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("make", [IntervalLock, partial(IntervalLock, 0), partial(IntervalLock, 1e6), Lock])
def test_timeouts_beside_a_hammering_thread(make: Callable[[], IntervalLock | Lock]) -> None:
    lock = make()
    with hammered(lock):
        for attempt in range(200):
            start = time.monotonic()
            if lock.acquire(timeout=0.0005 * (attempt % 5)):
                lock.release()
            assert time.monotonic() - start < LIMIT
    sleeps_its_time(lock)
    assert not lock.locked()


def test_handlers_beside_a_hammering_thread() -> None:
    """Signals come while the main thread competes, naps and sleeps."""
    run_isolated("from support.hammering import signalled; signalled()")


@pytest.mark.parametrize("interval", [0.0, 0.005])
def test_a_hammering_thread_makes_room(interval: float) -> None:
    """Everybody gets the lock again and again, and whoever cedes it is not forgotten."""
    lock = IntervalLock(interval)
    with hammered(lock):
        exercise(*[partial(takes, lock, 30, ceding) for ceding in (False, True)])
    sleeps_its_time(lock)


def takes(lock: IntervalLock, times: int, ceding: bool) -> None:
    for _ in range(times):
        with lock:
            if ceding:
                lock.cede()


@pytest.mark.parametrize("percent", [2, 10, 50])
def test_a_mix_of_readers_and_writers_is_no_convoy(percent: int) -> None:
    """The lock is seldom handed to a sleeping thread: else each operation costs a context switch, and all wait."""
    lock, before = ReaderWriterLock(), stats().handoffs
    deadline = time.monotonic() + 0.5  # long enough that threads meet with the GIL too

    def work(seed: int) -> int:
        reader, writer, done = RWReadContext(lock), RWWriteContext(lock), 0
        while time.monotonic() < deadline:
            for turn in range(100):
                with writer if (turn * 37 + seed * 11) % 100 < percent else reader:
                    for _ in "ab":  # with the GIL a thread is switched out in a loop
                        pass
            done += 100
        return done

    done = sum(exercise(*[partial(work, seed) for seed in range(4)]))
    assert stats().handoffs - before < done / 20, done


def test_readers_get_in_between_writers() -> None:
    """Two writers that are at the lock all the time do not keep readers out for good, nor each other."""
    lock, stop = ReaderWriterLock(), []
    counts = [0, 0]

    def write(slot: int) -> None:
        while not stop:
            with RWWriteContext(lock):
                counts[slot] += 1

    writers = [threading.Thread(target=write, args=(slot,)) for slot in range(2)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(20):
            with RWReadContext(lock):
                pass
        until(lambda: min(counts) > 100)
    finally:
        stop.append(True)
        for writer in writers:
            writer.join(LIMIT)
    assert repr(lock).startswith("<ReaderWriterLock unlocked")


def test_no_release_by_another_thread_is_lost() -> None:
    """Any thread may release a Lock as soon as it is taken, before the call that took it has returned."""
    lock, stop = Lock(), threading.Event()
    rounds = 200

    def take() -> int:
        taken = 0
        while taken < rounds:
            taken += lock.acquire(timeout=0.01)
        return taken

    def give() -> int:
        given = 0
        while not stop.is_set() or lock.locked():
            if not lock.locked():
                time.sleep(0)  # with the GIL it would be the taker's turn in 5 ms only
            else:
                try:
                    lock.release()
                    given += 1
                except RuntimeError:  # another was faster
                    pass
        return given

    def end(*takers: Any) -> int:
        taken = sum(taker.result(LIMIT) for taker in takers)
        stop.set()
        return taken

    with Puppet() as a, Puppet() as b, Puppet() as c, Puppet() as d:
        givers = [c.start(give), d.start(give)]
        taken = end(a.start(take), b.start(take))
        assert taken == sum(giver.result(LIMIT) for giver in givers)
    assert not lock.locked()
