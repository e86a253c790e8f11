"""ft_utils.aio: locks that tasks take, beside threads: who owns them, in which order, what is refused."""

import asyncio
import gc
import threading
from fractions import Fraction
from typing import Any

import pytest

from ft_utils import _locks, aio, contention
from ft_utils.synchronization import (
    Barrier,
    Condition,
    Event,
    IntervalLock,
    Lock,
    ReaderWriterLock,
    ResizableSemaphore,
    RLock,
    RWReadContext,
    RWWriteContext,
    Semaphore,
    snapshot,
    stats,
)

from ..support.aio import KINDS, Kind, hold, in_thread, outcome, run, soon, tried, turn
from ..support.threads import LIMIT, Puppet, exercise

each = pytest.mark.parametrize("kind", KINDS, ids=str)


@each
def test_free(kind: Kind) -> None:
    async def main() -> None:
        lock = kind.make()
        handle = aio.holding(lock)
        for _ in range(2):
            async with handle as entered:
                assert entered is lock
                assert not await in_thread(tried, kind.obstruct(lock))
        await aio.acquire(lock)
        assert aio.release(lock) is None
        with pytest.raises(ZeroDivisionError):
            async with handle:
                1 / 0
        await in_thread(turn, lock)

    run(main)


@each
def test_waits_for_a_thread_while_the_loop_goes_on(kind: Kind, puppet: Puppet) -> None:
    async def main() -> None:
        lock = kind.make()
        puppet.run(kind.obstruct(lock).acquire)
        task = asyncio.create_task(hold(lock, 1, lambda: "had it"))
        await soon(lambda: len(kind.waiters(lock)) == 1)
        assert not task.done()
        puppet.run(kind.obstruct(lock).release)
        assert await task == "had it"
        assert not kind.waiters(lock)
        await in_thread(turn, kind.obstruct(lock))

    run(main)


@each
def test_a_thread_waits_for_a_task(kind: Kind) -> None:
    async def main() -> None:
        lock = kind.make()
        async with aio.holding(lock):
            waits = asyncio.create_task(in_thread(turn, kind.obstruct(lock)))
            await soon(lambda: len(kind.waiters(lock)) == 1)
        await waits

    run(main)


@each
def test_tasks_and_threads_keep_each_other_out(kind: Kind) -> None:
    """Two loops and two threads. What they guard is changed in two steps, with a switch in between."""
    if not kind.exclusive:
        return
    lock, total = kind.make(), [0]

    async def visit() -> None:
        for _ in range(50):
            async with aio.holding(lock):
                before = total[0]
                await asyncio.sleep(0)
                total[0] = before + 1

    async def loop() -> None:
        await asyncio.gather(*(visit() for _ in range(3)))

    def thread() -> None:
        for _ in range(150):
            with lock:
                total[0] += 1

    exercise(lambda: run(loop), lambda: run(loop), thread, thread, limit=2 * LIMIT)
    assert total == [2 * 3 * 50 + 2 * 150]
    assert snapshot() == []


@pytest.mark.parametrize("make", [lambda: IntervalLock(0), lambda: Semaphore(1), lambda: ResizableSemaphore(1)])
def test_order_of_arrival_among_tasks_and_threads(make: Any, puppets: Any) -> None:
    async def main() -> None:
        lock, order = make(), []
        await aio.acquire(lock)
        waits: list[Any] = []
        for number, puppet in enumerate(puppets(3)):

            def visit(number: int = number) -> None:
                with lock:
                    order.append(("thread", number))

            waits.append(asyncio.wrap_future(puppet.start(visit)))
            await soon(lambda: len(kind.waiters(lock)) == len(waits))
            waits.append(asyncio.create_task(hold(lock, 1, lambda number=number: order.append(("task", number)))))
            await soon(lambda: len(kind.waiters(lock)) == len(waits))
        aio.release(lock)
        await asyncio.gather(*waits)
        assert order == [(who, number) for number in range(3) for who in ("thread", "task")]

    kind = Kind("", make)
    run(main)


def test_several_permits() -> None:
    async def main() -> None:
        semaphore = ResizableSemaphore(3)
        await aio.acquire(semaphore, 2)
        large = asyncio.create_task(aio.acquire(semaphore, n=3))
        await soon(snapshot)
        small = asyncio.create_task(hold(semaphore))
        await soon(lambda: len(snapshot()) == 2)
        assert not semaphore.acquire(blocking=False), "it overtook those who wait"
        aio.release(semaphore, 2)
        await large
        assert semaphore.value == 0 and not small.done()
        aio.release(semaphore, n=3)
        await small
        async with aio.holding(semaphore, 3):
            assert semaphore.value == 0
        with pytest.raises(ValueError, match="4 permits are more than the limit"):
            await aio.acquire(semaphore, 4)
        with pytest.raises(ValueError, match="cannot release 1 permits"):
            aio.release(semaphore)
        semaphore.acquire()
        refused = asyncio.create_task(aio.acquire(semaphore, 3))
        await soon(snapshot)
        semaphore.resize(2)
        with pytest.raises(ValueError, match="less than the 3 permits that this task waited for"):
            await refused
        semaphore.release()
        assert semaphore.value == 2

    run(main)


def test_a_semaphore_without_an_end() -> None:
    """Its value is computed by Python code, which may use locks in the name of its own thread."""
    lock = IntervalLock()

    class Count(Fraction):
        def __add__(self, other: Any) -> Any:
            with lock:
                return Count(Fraction.__add__(self, other))

    async def main() -> None:
        semaphore = Semaphore(Count(1, 2))
        async with aio.holding(semaphore), aio.holding(semaphore):
            assert semaphore._value == Fraction(-3, 2)
        assert semaphore._value == Fraction(1, 2)

    run(main)


# --- owners ---------------------------------------------------------------------------------------------------------


@each
def test_what_a_task_holds_is_released_by_it_alone(kind: Kind, puppet: Puppet) -> None:
    async def main() -> None:
        lock = kind.make()
        await aio.acquire(lock)
        if kind.owned:
            for call in (other_release(lock), in_thread(lock.release)):
                with pytest.raises(RuntimeError, match=r"release|unlock"):
                    await call
            with pytest.raises(RuntimeError):
                lock.release()  # by the loop's thread, which is not the task
            assert not await in_thread(tried, kind.obstruct(lock))
            aio.release(lock)
        else:
            await other_release(lock)
        if type(lock) is not Semaphore:
            with pytest.raises((RuntimeError, ValueError)):
                aio.release(lock)

    async def other_release(lock: Any) -> None:
        async def release() -> None:
            aio.release(lock)

        await asyncio.create_task(release())

    run(main)


def test_tasks_that_would_wait_for_themselves() -> None:
    async def main() -> None:
        interval, rw = IntervalLock(), ReaderWriterLock()
        async with aio.holding(interval):
            with pytest.raises(RuntimeError, match="holds the IntervalLock already"):
                await aio.acquire(interval)
        async with aio.holding(RWReadContext(rw)):
            with pytest.raises(RuntimeError, match="release it before asking for the write lock"):
                await aio.acquire(RWWriteContext(rw))
        async with aio.holding(RWWriteContext(rw)):
            for side in (RWReadContext, RWWriteContext):
                with pytest.raises(RuntimeError, match="holds the write lock"):
                    await aio.acquire(side(rw))
        assert not interval.locked() and rw.readers() == 0 and not rw.writer_locked()

    run(main)


def test_a_task_may_take_again_what_a_thread_may() -> None:
    async def main() -> None:
        rlock, rw = RLock(), ReaderWriterLock()
        async with aio.holding(rlock), aio.holding(rlock):
            assert not await in_thread(tried, rlock)
            other = asyncio.create_task(hold(rlock))
            await soon(snapshot)
        await other
        reading = RWReadContext(rw)
        async with aio.holding(reading):
            writer = asyncio.create_task(hold(RWWriteContext(rw)))
            await soon(lambda: rw.writers_waiting() == 1)
            async with aio.holding(reading):  # although a writer waits
                assert rw.readers() in (1, 2)
        await writer

    run(main)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.owned], ids=str)
def test_the_loops_thread_does_not_wait_for_its_own_task(kind: Kind) -> None:
    """Nobody could ever release."""

    async def main() -> None:
        lock = kind.make()
        async with aio.holding(lock):
            with pytest.raises(RuntimeError, match="event loop holds the lock"):
                kind.obstruct(lock).acquire()
            assert kind.obstruct(lock).acquire(timeout=0.001) is False
        with kind.obstruct(lock):
            pass

    run(main)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.owned], ids=str)
def test_the_loops_thread_does_not_wait_behind_its_own_task(kind: Kind, puppet: Puppet) -> None:
    """The task would be given the lock, and could not run."""

    async def main() -> None:
        lock = kind.make()
        puppet.run(kind.obstruct(lock).acquire)
        task = asyncio.create_task(hold(lock))
        await soon(snapshot)
        with pytest.raises(RuntimeError, match="before this thread in its queue"):
            kind.obstruct(lock).acquire()
        puppet.run(kind.obstruct(lock).release)
        await task

    run(main)


def test_who_waits_and_who_holds() -> None:
    async def main() -> None:
        lock = IntervalLock()
        me = threading.get_ident()
        async with aio.holding(lock):
            assert f" owner={me} " in repr(lock)
            task = asyncio.create_task(hold(lock))
            (wait,) = await soon(snapshot)
            assert (wait.lock, wait.thread, wait.kind) == (id(lock), me, "exclusive")
            (found,) = contention.locks_waited_for()
            assert found["lock"] == id(lock) and [w["thread"] for w in found["waiters"]] == [me]
            assert [holder["thread"] for holder in found["holders"]] == [me]
        await task

    run(main)


# --- events ---------------------------------------------------------------------------------------------------------


def test_event(puppet: Puppet) -> None:
    async def main() -> None:
        event = Event()
        waits = [asyncio.create_task(aio.wait(event)) for _ in range(3)]
        await soon(lambda: len(snapshot()) == 3)
        puppet.run(lambda: (event.set(), event.clear()))
        assert await asyncio.gather(*waits) == [None] * 3
        event.set()
        await aio.wait(event)
        event.clear()
        event._cond  # from now on threads wait for that one
        task = asyncio.create_task(aio.wait(event))
        await soon(snapshot)
        puppet.run(event.set)
        await task

    run(main)


# --- misuse ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong", [None, threading.Lock(), ReaderWriterLock(), Condition(), Barrier(1), asyncio.Lock()], ids=repr
)
def test_what_a_task_cannot_wait_for(wrong: Any) -> None:
    async def main() -> None:
        for call in (aio.acquire(wrong), aio.holding(wrong).__aenter__()):
            with pytest.raises(TypeError, match=r"a task can wait for an IntervalLock, .*, not for "):
                await call
        with pytest.raises(TypeError):
            aio.release(wrong)

    run(main)


def test_other_misuse() -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="waits for an Event, not for Lock"):
            await aio.wait(Lock())
        with pytest.raises(TypeError, match="not released"):
            aio.release(Event())
        with pytest.raises(TypeError, match="only a ResizableSemaphore"):
            await aio.acquire(Lock(), 2)
        for n, error in ((0, ValueError), (-1, ValueError), (1.0, TypeError), ("1", TypeError)):
            with pytest.raises(error):
                await aio.acquire(ResizableSemaphore(1), n)
        unmade = RWReadContext.__new__(RWReadContext)
        with pytest.raises(RuntimeError, match="made by __new__ alone"):
            await aio.acquire(unmade)
        found: list[Any] = []

        def callback() -> None:
            try:
                aio.release(Lock())
            except RuntimeError as error:
                found.append(str(error))

        asyncio.get_running_loop().call_soon(callback)
        await asyncio.sleep(0)
        assert found == ["locks are taken and released by tasks; this code runs in none"]

    with pytest.raises(RuntimeError, match="no running event loop"):
        aio.release(Lock())
    run(main)


def test_one_wait_at_a_time() -> None:
    """Two coroutines that one task drives by hand."""

    async def main() -> None:
        lock = Lock()
        lock.acquire()
        first, second = aio.acquire(lock), aio.acquire(lock)
        first.send(None)
        with pytest.raises(RuntimeError, match="this task waits for a lock already"):
            second.send(None)
        assert len(snapshot()) == 1
        first.close()
        assert snapshot() == []
        lock.release()

    run(main)


def test_a_task_that_ends_with_a_lock_leaves_it_locked() -> None:
    async def main() -> None:
        lock, rw = IntervalLock(), ReaderWriterLock()

        async def forget() -> None:
            await aio.acquire(lock)
            await aio.acquire(RWReadContext(rw))

        await asyncio.create_task(forget())
        await soon(lambda: gc.collect() is not None and " owner=ended " in repr(lock), "the task to be gone")
        assert lock.locked() and rw.readers() == 1

    run(main)


def test_records_end_with_their_tasks() -> None:
    async def main() -> None:
        lock = Lock()
        await aio.acquire(lock)
        aio.release(lock)
        before = len(_locks.threads())
        for _ in range(20):
            await asyncio.gather(*(hold(lock) for _ in range(50)))
        gc.collect()
        await asyncio.sleep(0)
        assert len(_locks.threads()) <= before + 1

    run(main)


def test_counters() -> None:
    async def main() -> None:
        lock = Lock()
        before = stats()
        await hold(lock)
        assert stats() == before, "an uncontended operation counts nowhere"
        await aio.acquire(lock)
        task = asyncio.create_task(hold(lock))
        await soon(snapshot)
        aio.release(lock)
        await task
        assert stats().contended == before.contended + 1 and stats().parks >= before.parks + 1
        await aio.acquire(lock)
        task = asyncio.create_task(hold(lock))
        await soon(snapshot)
        task.cancel()
        assert isinstance(await outcome(task), asyncio.CancelledError)
        assert stats().interrupts == before.interrupts + 1
        aio.release(lock)

    run(main)


def test_leaving_a_block_that_the_task_has_not_entered() -> None:
    """An error in one sentence, and nothing has changed; nor when the lock refuses."""

    async def main() -> None:
        lock = Lock()
        handle = aio.holding(lock)
        await aio.acquire(lock)
        with pytest.raises(RuntimeError, match="not entered; its lock stays as it is"):
            handle.__aexit__(None, None, None)
        assert lock.locked()
        aio.release(lock)
        with pytest.raises(RuntimeError, match="unlocked"):
            async with handle:
                lock.release()
        async with handle:
            lock.release()
            await aio.acquire(lock)

            async def leave() -> None:
                await handle.__aexit__(None, None, None)

            with pytest.raises(RuntimeError, match="not entered"):
                await asyncio.create_task(leave())
            assert lock.locked()
        assert not lock.locked()

    run(main)


def test_a_task_that_is_destroyed_while_another_runs_leaves_its_block() -> None:
    async def main() -> None:
        lock = IntervalLock()

        async def stay() -> None:
            async with aio.holding(lock):
                await asyncio.Future()

        task = asyncio.create_task(stay())
        await asyncio.sleep(0)
        assert lock.locked()
        task.get_coro().close()
        assert not lock.locked()

    run(main)


def test_reprs_and_types() -> None:
    lock = Lock()
    assert repr(aio.holding(lock)) == f"<Holding of {lock!r}>"
    assert set(aio.__all__) <= set(dir(aio))
    for name in aio.__all__:
        assert getattr(aio, name).__doc__
    with pytest.raises(TypeError):
        _locks.Task(None, lock)
    bell = _locks.Bell()
    with pytest.raises(TypeError):
        _locks.Task(bell, lock).acquire()
    with pytest.raises(TypeError):
        _locks.Block(lock)
    with pytest.raises(TypeError):
        aio.holding(lock)._entered = lock
    task = _locks.Task(bell, lock)
    assert task.resume() is False and task.abandon() is None and bell.rung() == [] and not task.waits
