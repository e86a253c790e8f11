"""Blocks of one handle that end out of turn: by several loops, by tasks that are destroyed, by loops that are gone."""

import asyncio
import gc
from typing import Any

import pytest

from ft_utils import aio
from ft_utils.synchronization import (
    BoundedSemaphore,
    IntervalLock,
    Lock,
    ReaderWriterLock,
    ResizableSemaphore,
    RWReadContext,
    RWWriteContext,
    Semaphore,
    snapshot,
)

from ..support.aio import in_thread, run, soon
from ..support.threads import LIMIT, exercise


async def stay(handle: Any) -> None:
    async with handle:
        await asyncio.get_running_loop().create_future()


def quiet(loop: asyncio.AbstractEventLoop) -> asyncio.AbstractEventLoop:
    loop.set_exception_handler(lambda loop, context: None)  # "Task was destroyed but it is pending!"
    return loop


def test_loops_of_several_threads_share_a_handle() -> None:
    rw = ReaderWriterLock()
    handle = aio.holding(RWReadContext(rw))

    async def turns() -> None:
        for _ in range(3000):
            async with handle:
                pass

    exercise(*[lambda: asyncio.run(turns())] * 3)
    assert rw.readers() == 0
    assert rw.acquire_write(timeout=LIMIT)


def test_a_task_that_is_destroyed_leaves_its_own_block() -> None:
    """And not that of the task in which the collector runs."""

    async def main() -> None:
        quiet(asyncio.get_running_loop())
        rw = ReaderWriterLock()
        handle = aio.holding(RWReadContext(rw))

        async def forget() -> None:
            asyncio.create_task(stay(handle))  # noqa: RUF006  # nobody keeps it

        await forget()
        await soon(lambda: rw.readers() == 1)
        async with handle:
            gc.collect()
            assert rw.readers() == 1
            aio.release(RWReadContext(rw))  # it is this task's
            await aio.acquire(RWReadContext(rw))
        assert await in_thread(RWWriteContext(rw).acquire, True, LIMIT)

    run(main)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_all_that_were_in_a_block_when_the_loop_was_closed(count: int) -> None:
    semaphore, loop = Semaphore(count), quiet(asyncio.new_event_loop())
    handle = aio.holding(semaphore)

    async def begin() -> list[Any]:
        tasks = [asyncio.ensure_future(stay(handle)) for _ in range(count)]
        await soon(lambda: semaphore._value == 0)
        return tasks

    tasks = loop.run_until_complete(begin())
    loop.close()
    del tasks
    gc.collect()
    assert semaphore._value == count


def test_a_block_that_could_not_be_left_is_nobody_elses() -> None:
    """Tasks come and go at the same addresses; each leaves what it has entered itself."""

    async def main() -> None:
        lock = IntervalLock()
        handle = aio.holding(lock)

        async def spoil() -> None:
            with pytest.raises(RuntimeError, match="nobody holds"):
                async with handle:
                    aio.release(lock)

        async def visit() -> None:
            async with handle:
                await asyncio.sleep(0)

        for _ in range(20):
            await asyncio.create_task(spoil())
            await asyncio.create_task(visit())
        assert not lock.locked()

    run(main)


def test_a_loop_that_is_closed_lets_all_go_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when one of them cannot give back what it was given."""
    semaphore, lock, loop = BoundedSemaphore(1), IntervalLock(0), quiet(asyncio.new_event_loop())
    semaphore.acquire()
    lock.acquire()
    told: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", lambda unraisable: told.append(unraisable.exc_type))

    async def begin() -> list[Any]:
        tasks = [asyncio.ensure_future(aio.acquire(each)) for each in (lock, semaphore)]
        await soon(lambda: len(snapshot()) == 2)
        semaphore.release()  # it is handed to the task
        semaphore.release()  # once too often, which shows when it is given back
        return tasks

    tasks = loop.run_until_complete(begin())
    loop.close()
    assert told == [ValueError] and snapshot() == []
    lock.release()
    assert lock.acquire(timeout=LIMIT)
    del tasks


def test_a_loop_that_is_dropped_lets_go_too() -> None:
    lock = IntervalLock(0)
    lock.acquire()

    def drop() -> None:
        loop = quiet(asyncio.new_event_loop())

        async def begin() -> None:
            asyncio.ensure_future(aio.acquire(lock))  # noqa: RUF006
            await soon(snapshot)

        loop.run_until_complete(begin())

    with pytest.warns(ResourceWarning):
        drop()
        gc.collect()
    assert snapshot() == []
    lock.release()
    assert lock.acquire(timeout=LIMIT)


def test_permits_are_counted_once() -> None:
    """What is given back is what was taken, whatever the object says by then."""

    class Odd:
        value = 3

        def __index__(self) -> int:
            return self.value

    async def main() -> None:
        semaphore, number = ResizableSemaphore(5), Odd()
        async with aio.holding(semaphore, number):  # type: ignore[arg-type]
            assert semaphore.value == 2
            number.value = 1
        assert semaphore.value == 5

    run(main)


def test_a_number_that_begins_a_wait_of_the_same_task() -> None:
    async def main() -> None:
        lock, semaphore, begun = Lock(), ResizableSemaphore(1), []
        lock.acquire()

        class Odd:
            def __index__(self) -> int:
                if not begun:
                    begun.append(aio.acquire(lock))
                    begun[0].send(None)
                return 1

        second = aio.acquire(semaphore, Odd())  # type: ignore[arg-type]
        with pytest.raises(RuntimeError, match="waits for a lock already"):
            second.send(None)
        assert [wait.lock for wait in snapshot()] == [id(lock)]  # the first goes on
        begun[0].close()
        assert snapshot() == [] and semaphore.value == 1
        lock.release()

    run(main)
