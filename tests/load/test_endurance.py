"""A million operations and thousands of threads, without growth in memory. Each test has a process of its own."""

import pytest

from ..support.process import run_isolated

MEASURE = """
import gc
from support.threads import LIMIT, Puppet, contend, exercise, join, until, waiters, waiting

def resident():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def grows(action, limit=6 * 2**20):
    "The action runs once to warm up; running it again must not take more memory. The bound is that of the noise."
    action()
    before = resident()
    action()
    action()
    growth = resident() - before
    assert growth < limit, f"grew by {growth / 2**20:.1f} MiB"
    print("ok")
"""


def steady(code: str, timeout: float = 100) -> None:
    run_isolated(MEASURE + code, expect_out="ok", timeout=timeout)


@pytest.mark.parametrize(
    "statement",
    [
        "lock.lock(); lock.unlock()",
        "lock.acquire(); lock.poll(); lock.cede(); lock.release()",
        "rw.lock_read(); rw.unlock_read()",
        "rw.acquire_write(); rw.downgrade(); rw.release_read()",
        "with read: pass",
        "with RWReadContext(rw), RWReadContext(rw): pass",
        "with RWWriteContext(rw): repr(rw)",
    ],
)
def test_a_million_operations(statement: str) -> None:
    steady(
        f"""
lock, rw = IntervalLock(), ReaderWriterLock()
read = RWReadContext(rw)
def once():
    {statement}
def action():
    for _ in range(100_000):
        once()
grows(action)
"""
    )


def test_a_million_contended_operations() -> None:
    steady(
        """
lock, rw = IntervalLock(), ReaderWriterLock()
def one():
    for _ in range(40_000):
        lock.lock(), lock.unlock()
def two():
    for number in range(20_000):
        with RWReadContext(rw):
            pass
        if number % 8 == 0:
            with RWWriteContext(rw):
                pass
grows(lambda: exercise(one, one, two, two, limit=90))
"""
    )


def test_thousands_of_locks() -> None:
    steady(
        """
def action():
    locks = [(IntervalLock(), ReaderWriterLock()) for _ in range(20_000)]
    for lock, rw in locks:
        lock.lock()
        rw.lock_write()
        rw.downgrade()
        RWReadContext(rw).release()
        lock.unlock()
    for lock, rw in locks[:2000]:
        lock.lock(), rw.lock_read()
        rw.unlock_read()
    # half of the locks die while they are held
grows(action)
"""
    )


def test_thousands_of_threads() -> None:
    """Each contends, holds many read locks at once, and ends; some end while they hold a lock."""
    steady(
        """
lock, rws = IntervalLock(), [ReaderWriterLock() for _ in range(40)]
def short():
    with lock:
        lock.poll()
    for rw in rws:
        rw.lock_read()
    for rw in rws:
        rw.unlock_read()
    with RWWriteContext(rws[0]):
        pass
    ReaderWriterLock().lock_read()
    IntervalLock().lock()
def action():
    for _ in range(125):
        threads = [threading.Thread(target=short) for _ in range(8)]
        for thread in threads:
            thread.start()
        join(threads)
grows(action)
assert not lock.locked() and not any(rw.readers() for rw in rws)
"""
    )


def test_timeouts() -> None:
    steady(
        """
lock, rw, other = IntervalLock(), ReaderWriterLock(), ReaderWriterLock()
with Puppet() as holder:
    holder.run(lock.lock), holder.run(rw.lock_write), holder.run(other.lock_read)
    def action():
        for _ in range(1000):
            assert not lock.acquire(timeout=1e-6)
            assert not rw.acquire_read(timeout=1e-6)
            assert not other.acquire_write(timeout=1e-6)
    grows(action)
    assert snapshot() == []
"""
    )


def test_interrupts() -> None:
    steady(
        """
class Enough(Exception):
    pass
def handler(*_):
    raise Enough
lock = IntervalLock()
signal.signal(signal.SIGALRM, handler)
with Puppet() as holder:
    holder.run(lock.lock)
    def action():
        for _ in range(300):
            try:
                # Once more and more after the first, for the case that it came a moment before the sleep.
                signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.01)
                try:
                    lock.lock()
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except Enough:
                pass
    grows(action)
    assert snapshot() == []
    assert stats().interrupts >= 500
"""
    )


def test_errors() -> None:
    steady(
        """
lock, rw = IntervalLock(), ReaderWriterLock()
def refused(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except (RuntimeError, TypeError, ValueError, OverflowError):
        return
    raise AssertionError(call)
def action():
    for _ in range(10_000):
        refused(lock.unlock)
        refused(rw.unlock_read)
        refused(rw.downgrade)
        refused(lock.acquire, timeout=-2)
        refused(lock.acquire, timeout="1")
        refused(IntervalLock, -1)
        refused(RWReadContext, lock)
grows(action)
"""
    )


def test_reports() -> None:
    steady(
        """
lock = IntervalLock()
lock.lock()
with Puppet() as one, Puppet() as two:
    visits = [puppet.start(lambda: (lock.lock(), lock.unlock())) for puppet in (one, two)]
    waiting(lock, 2)
    def action():
        for _ in range(5000):
            assert len(snapshot()) == 2
            stats().contended
            repr(lock)
    grows(action)
    lock.unlock()
    for visit in visits:
        visit.result(LIMIT)
"""
    )


def test_collected_cycles() -> None:
    steady(
        """
class Sub(ReaderWriterLock):
    pass
class Read(RWReadContext):
    pass
def action():
    for _ in range(20_000):
        lock = Sub()
        lock.context = Read(lock)
        lock.context.lock_again = lock
grows(action)
"""
    )


# --- the threading family ------------------------------------------------------------------------------------------

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
def test_a_million_operations_of_the_family(statement: str) -> None:
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


def test_thousands_of_threads_of_the_family() -> None:
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


def test_timeouts_of_the_family() -> None:
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


def test_errors_of_the_family() -> None:
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


def test_interrupts_of_the_family() -> None:
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


def test_keys_come_and_go() -> None:
    """The table of a KeyedLock shrinks: what counts is how many keys are in use, and not how many there were."""
    steady(
        """
from ft_utils.synchronization import KeyedLock
keyed = KeyedLock()
many = range(50_000)
def action():
    handles = [keyed(("a", number)) for number in many]
    assert len(keyed) == len(many)
    for handle in handles:
        with handle:
            pass
    del handles, handle
    for number in many:
        with keyed(number):
            pass
    assert len(keyed) == 0
grows(action)
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
