"""A million operations and thousands of threads, without growth in memory. Each test has a process of its own."""

import pytest

from ..test_endurance import MEASURE, steady

USE = """
from ft_utils.synchronization import (
    Barrier, BoundedSemaphore, BrokenBarrierError, Condition, Event, Lock, RLock, Semaphore)
"""


@pytest.mark.parametrize(
    "statement",
    [
        "lock.acquire(); lock.release()",
        "with rlock, rlock: repr(rlock)",
        "with semaphore: semaphore.acquire(False)",
        "with bounded: bounded.acquire(timeout=0)",
        "event.set(); event.wait(); event.clear(); event.wait(0)",
        "with condition: condition.notify(); condition.notify_all(); condition.wait_for(lambda: True)",
        "alone.wait()",
    ],
)
def test_a_million_operations(statement: str) -> None:
    steady(
        USE
        + f"""
lock, rlock, semaphore, bounded, event = Lock(), RLock(), Semaphore(1), BoundedSemaphore(1), Event()
condition, alone = Condition(), Barrier(1, int)
def once():
    {statement}
def action():
    for _ in range(100_000):
        once()
grows(action)
"""
    )


def test_contended_operations() -> None:
    steady(
        USE
        + """
lock, rlock, semaphore = Lock(), RLock(), Semaphore(1)
condition, there, back, barrier, items = Condition(), Event(), Event(), Barrier(2, int), []
def locks():
    for _ in range(15_000):
        with lock, rlock, semaphore:
            pass
def produce():
    for number in range(3_000):
        with condition:
            items.append(number)
            condition.notify()
        barrier.wait()
        there.set()
        back.wait()
        back.clear()
def consume():
    for _ in range(3_000):
        with condition:
            condition.wait_for(lambda: items)
            items.pop()
        barrier.wait()
        there.wait()
        there.clear()
        back.set()
grows(lambda: exercise(locks, locks, produce, consume, limit=90))
"""
    )


def test_thousands_of_objects() -> None:
    """Some die while they are held, with waits behind them, with references to each other."""
    steady(
        USE
        + """
def action():
    for _ in range(6_000):
        lock, rlock = Lock(), RLock()
        lock.acquire(), rlock.acquire()
        condition = Condition(rlock)
        condition.wait(0)
        Condition(Lock())
        event, semaphore, bounded = Event(), Semaphore(3), BoundedSemaphore(2)
        event.set(), semaphore.acquire(), bounded.acquire(), event.wait()
        held = []
        barrier = Barrier(1, lambda: held)
        held.append(barrier)
        barrier.wait()
        Barrier(2).abort()
grows(action)
"""
    )


def test_thousands_of_threads() -> None:
    """Each uses all seven and ends; some end while they hold a lock."""
    steady(
        USE
        + """
lock, rlock, semaphore, event, condition, barrier = Lock(), RLock(), Semaphore(2), Event(), Condition(), Barrier(8)
def short():
    with lock, rlock, semaphore:
        pass
    with condition:
        condition.notify()
        condition.wait(0.0001)
    barrier.wait(LIMIT)
    event.set()
    event.wait()
    Lock().acquire(), RLock().acquire(), Condition().acquire()
def action():
    for _ in range(80):
        threads = [threading.Thread(target=short) for _ in range(8)]
        for thread in threads:
            thread.start()
        join(threads)
grows(action)
assert not lock.locked() and not rlock.locked()
"""
    )


def test_timeouts() -> None:
    steady(
        USE
        + """
lock, rlock, semaphore, event, condition, barrier = Lock(), RLock(), Semaphore(0), Event(), Condition(), Barrier(2)
with Puppet() as holder:
    holder.run(lock.acquire), holder.run(rlock.acquire)
    def action():
        for _ in range(600):
            assert not lock.acquire(timeout=1e-6) and not rlock.acquire(timeout=1e-6)
            assert not semaphore.acquire(timeout=1e-6) and not event.wait(1e-6)
            with condition:
                assert not condition.wait(1e-6)
            try:
                barrier.wait(1e-6)
            except BrokenBarrierError:
                barrier.reset()
    grows(action)
    assert snapshot() == []
    holder.run(lock.release), holder.run(rlock.release)
"""
    )


def test_errors() -> None:
    steady(
        USE
        + """
lock, rlock, semaphore, event, condition = Lock(), RLock(), BoundedSemaphore(1), Event(), Condition()
broken = Barrier(2)
broken.abort()
failing = Barrier(1, lambda: 1 / 0)
def refused(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except (ArithmeticError, RuntimeError, TypeError, ValueError, AttributeError):
        return
    raise AssertionError(call)
def action():
    for _ in range(4_000):
        for each in (lock, rlock, semaphore):
            refused(each.release)
        refused(lock.acquire, timeout=-2), refused(semaphore.acquire, False, 1), refused(semaphore.release, 0)
        refused(event.wait, "1"), refused(condition.wait), refused(condition.notify), refused(condition.notify_all)
        refused(condition.wait_for, lambda: False), refused(Condition, 42)
        refused(Semaphore, -1), refused(Barrier, 0), refused(broken.wait)
        refused(failing.wait), failing.reset()
        with condition:
            refused(condition.wait_for, lambda: 1 / 0), refused(condition.wait, "1")
grows(action)
"""
    )


def test_interrupts() -> None:
    steady(
        USE
        + """
class Enough(Exception):
    pass
def handler(*_):
    raise Enough
semaphore, event, condition, barrier = Semaphore(0), Event(), Condition(), Barrier(2)
def converse():
    with condition:
        condition.wait()
signal.signal(signal.SIGALRM, handler)
def action():
    for wait in (semaphore.acquire, event.wait, converse, barrier.wait):
        for _ in range(60):
            try:
                # Once more and more after the first, for the case that it came a moment before the sleep.
                signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.01)
                try:
                    wait()
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except Enough:
                pass
grows(action)
assert snapshot() == [] and barrier.n_waiting == 0 and not barrier.broken
assert stats().interrupts >= 500
"""
    )


def test_measuring_sees_growth() -> None:
    """That the tests above can fail."""
    from ..support.process import run_isolated

    run_isolated(
        MEASURE + "kept = []\ngrows(lambda: kept.append(bytearray(8 * 2**20)))",
        expect_code=1,
        expect_err="AssertionError: grew by",
    )
