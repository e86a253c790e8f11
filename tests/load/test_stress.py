"""Invariants under random load: timeouts and interrupts mixed in."""

import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from ft_utils.synchronization import IntervalLock, ReaderWriterLock, RWReadContext, RWWriteContext

from ..support.process import run_isolated, with_is_whole
from ..support.threads import exercise, waiters

SECONDS = 1.5
WRITER = 10_000  # more than there can be readers


class Inside:
    """Who is inside: readers count 1, writers 10,000, each thread in a slot of its own.

    A sum over the slots needs no atomic addition, which Python has not on the free-threaded build.
    """

    def __init__(self, threads: int) -> None:
        self.slots = [0] * threads

    def check(self, slot: int, weight: int) -> None:
        """Enter with a weight, look at the others, leave."""
        self.slots[slot] = weight
        total = sum(self.slots)
        self.slots[slot] = 0
        assert total == WRITER if weight == WRITER else total < WRITER, f"{total} inside, with {weight} of mine"


Step = Callable[[random.Random, Inside, int], None]


def hammer(step: Step, threads: int, rng: random.Random) -> None:
    """Threads that take random steps for a while."""
    inside = Inside(threads)
    deadline = time.monotonic() + SECONDS

    def body(slot: int, own: random.Random) -> None:
        while time.monotonic() < deadline:
            step(own, inside, slot)

    exercise(*(partial(body, slot, random.Random(rng.random())) for slot in range(threads)))


def some_timeout(rng: random.Random) -> dict[str, Any]:
    return rng.choice([{}, {}, {"timeout": rng.random() * 1e-3}, {"timeout": 10.0}, {"blocking": False}])


@pytest.mark.parametrize("threads", [2, 8])
def test_readers_and_writers(threads: int, rng: random.Random) -> None:
    lock = ReaderWriterLock()

    def step(own: random.Random, inside: Inside, slot: int) -> None:
        match own.randrange(6):
            case 0:
                if lock.acquire_write(**some_timeout(own)):
                    inside.check(slot, WRITER)
                    lock.release_write()
            case 1:
                with RWWriteContext(lock):
                    inside.check(slot, WRITER)
            case 2:
                lock.lock_write()
                inside.check(slot, WRITER)
                lock.downgrade()
                inside.check(slot, 1)
                lock.unlock_read()
            case 3:
                if lock.acquire_read(**some_timeout(own)):
                    inside.check(slot, 1)
                    lock.release_read()
            case _:
                with RWReadContext(lock):
                    inside.check(slot, 1)
                    with RWReadContext(lock):
                        inside.check(slot, 1)

    hammer(step, threads, rng)
    assert repr(lock).startswith("<ReaderWriterLock unlocked"), repr(lock)
    assert not waiters(lock)


@pytest.mark.parametrize("interval", [0, 0.0001, 0.005])
@pytest.mark.parametrize("threads", [2, 8])
def test_interval_lock(interval: float, threads: int, rng: random.Random) -> None:
    lock = IntervalLock(interval)

    def step(own: random.Random, inside: Inside, slot: int) -> None:
        if not lock.acquire(**some_timeout(own)):
            return
        inside.check(slot, WRITER)
        for _ in range(own.randrange(3)):
            own.choice([lock.poll, lock.cede])()
            inside.check(slot, WRITER)
        lock.release()

    hammer(step, threads, rng)
    assert not lock.locked()
    assert not waiters(lock)


def test_many_locks(rng: random.Random) -> None:
    """Waiters for different locks meet in the same buckets, and new locks come to lie where old ones were."""
    locks = [(IntervalLock(0.0005), ReaderWriterLock(), Inside(6), Inside(6)) for _ in range(5)]

    def step(own: random.Random, inside: Inside, slot: int) -> None:
        number = own.randrange(len(locks))
        lock, rw, of_lock, of_rw = locks[number]
        with lock:
            of_lock.check(slot, WRITER)
            if own.random() < 0.5 and rw.acquire_write(**some_timeout(own)):
                of_rw.check(slot, WRITER)
                rw.release_write()
        with RWReadContext(rw):
            of_rw.check(slot, 1)
        if own.random() < 0.01:
            locks[number] = (IntervalLock(0.0005), ReaderWriterLock(), Inside(6), Inside(6))

    hammer(step, 6, rng)
    for lock, rw, *_ in locks:
        assert not lock.locked() and repr(rw).startswith("<ReaderWriterLock unlocked")


@with_is_whole
def test_interrupts_amid_contention(rng: random.Random) -> None:
    """The main thread is torn out of its waits at random moments; its locks are never left held.

    A `with` statement leaves no moment between taking the lock and the block in which a signal could get lost.
    """
    run_isolated(
        f"""
        import random
        from support.threads import join
        class Torn(Exception):
            pass
        def handler(*_):
            raise Torn
        rng = random.Random({rng.randrange(2**32)})
        lock, rw, stop = IntervalLock(0.001), ReaderWriterLock(), threading.Event()
        sides = [lock, RWReadContext(rw), RWWriteContext(rw)]
        def churn(own):
            while not stop.is_set():
                with own.choice(sides):
                    sum(range(own.randrange(500)))
        threads = [threading.Thread(target=churn, args=(random.Random(rng.random()),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        torn = entered = 0
        deadline = time.monotonic() + {SECONDS}
        signal.signal(signal.SIGALRM, handler)
        while time.monotonic() < deadline or torn < 20:
            side = rng.choice(sides)
            pause = 10 ** rng.uniform(-5, -3)
            try:
                signal.setitimer(signal.ITIMER_REAL, pause, 0.01)
                with side:
                    entered += 1
                signal.setitimer(signal.ITIMER_REAL, 0)
            except Torn:
                torn += 1
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except Torn:
                    signal.setitimer(signal.ITIMER_REAL, 0)
        stop.set()
        join(threads)
        assert "unlocked" in repr(lock), repr(lock)
        assert "unlocked" in repr(rw), repr(rw)
        assert snapshot() == []
        print("torn" if torn else "never torn", "entered" if entered else "never entered")
        """,
        expect_out="torn entered",
    )
