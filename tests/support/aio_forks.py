"""Tasks in forked children, without Go, and at the end of the interpreter. Run in child processes of the tests."""

import asyncio
import os
import traceback
from typing import Any

from ft_utils import _aio, aio
from ft_utils.synchronization import Event, IntervalLock, ReaderWriterLock, RWReadContext, RWWriteContext, snapshot

from .aio import KINDS, Kind, hold, in_thread, outcome, run, soon, tried, turn
from .forks import in_child
from .threads import LIMIT, Puppet, exercise


async def take_turns() -> None:
    """Every kind of lock, by tasks and a thread, and an event."""
    for kind in KINDS:
        lock = kind.make()

        async def visit(lock: Any = lock) -> None:
            for _ in range(10):
                async with aio.holding(lock):
                    await asyncio.sleep(0)

        def thread(kind: Kind = kind, lock: Any = lock) -> None:
            for _ in range(10):
                turn(kind.obstruct(lock))

        await asyncio.gather(visit(), visit(), in_thread(thread))
        async with aio.holding(kind.obstruct(lock)):
            task = asyncio.create_task(hold(lock))
            await asyncio.sleep(0.002)  # long enough to have looked once; that it waits is seen by what follows
            assert not task.done()
            task.cancel()
            assert isinstance(await outcome(task), asyncio.CancelledError)
        await in_thread(turn, kind.obstruct(lock))
    event = Event()
    task = asyncio.create_task(aio.wait(event))
    await asyncio.sleep(0)
    event.set()
    await task


def in_child_anew() -> None:
    run(take_turns)


def fork_while_tasks_wait() -> None:
    """The child forgets them; a new loop works there. In the parent they wait on."""
    for kind in KINDS:

        async def main(kind: Kind = kind) -> None:
            lock = kind.make()
            with Puppet() as holder:
                holder.run(kind.obstruct(lock).acquire)
                tasks = [asyncio.create_task(hold(lock)) for _ in range(2)]
                await soon(lambda: len(kind.waiters(lock)) == 2)
                await in_thread(in_child, lambda: without_tasks(kind, lock))
                holder.run(kind.obstruct(lock).release)
                await in_thread(in_child, lambda: repr(lock))  # one of them has been woken
                await asyncio.gather(*tasks)
                await in_thread(turn, kind.obstruct(lock))

        run(main)


def without_tasks(kind: Kind, lock: Any) -> None:
    assert snapshot() == []
    assert not tried(kind.obstruct(lock)), "what the holder had is still held"
    run(take_turns)


def fork_in_a_task() -> None:
    """What the task holds it holds in the child too, as the thread that forks does; it releases it there."""

    async def main() -> None:
        interval, rw, other = IntervalLock(), ReaderWriterLock(), ReaderWriterLock()
        async with aio.holding(interval), aio.holding(RWReadContext(rw)), aio.holding(RWWriteContext(other)):
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    assert interval.locked() and rw.readers() == 1 and other.writer_locked()
                    for lock in (interval, RWReadContext(rw), RWWriteContext(other)):
                        task = _aio._loops[loop]().of(me)
                        task.release(lock)
                    released = interval, RWWriteContext(rw), RWReadContext(other)
                    exercise(*(lambda lock=lock: turn(lock) for lock in released))
                    code = 0
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(code)
            _, status = await in_thread(os.waitpid, pid, 0)
            assert status == 0, status

    async def begin() -> None:
        global loop, me
        loop, me = asyncio.get_running_loop(), asyncio.current_task()
        await main()

    run(begin)


def fork_beside_a_loop() -> None:
    """Tasks of another thread's loop are forgotten as that thread is: their reads are, what they wrote stays locked."""

    async def main(stop: Event, rw: ReaderWriterLock, lock: IntervalLock) -> None:
        async with aio.holding(RWReadContext(rw)), aio.holding(lock):
            await aio.wait(stop)

    stop, rw, lock = Event(), ReaderWriterLock(), IntervalLock()
    with Puppet() as other:
        ended = other.start(run, lambda: main(stop, rw, lock))
        run(lambda: soon(snapshot))

        def child() -> None:
            assert rw.readers() == 0 and tried(RWWriteContext(rw)) and not tried(lock)
            stop.set()
            run(take_turns)

        in_child(child)
        assert rw.readers() == 1
        stop.set()
        ended.result(LIMIT)
    turn(RWWriteContext(rw))
