"""What may happen to the wait of a task: it is cancelled or destroyed, its loop is closed, exceptions come between."""

import asyncio
import gc
import threading
from typing import Any

import pytest

from ft_utils import _aio, aio
from ft_utils.synchronization import Event, IntervalLock, Lock, ResizableSemaphore, snapshot

from ..support.aio import KINDS, Kind, hold, in_thread, outcome, run, soon, tried, turn
from ..support.process import run_isolated
from ..support.threads import LIMIT, Puppet, until

each = pytest.mark.parametrize("kind", KINDS, ids=str)


def rested(kind: Kind, lock: Any) -> None:
    """Nobody has it or waits for it: a thread can take it, and with it everything that it keeps out."""
    assert not kind.waiters(lock)
    turn(kind.obstruct(lock))


@each
def test_cancelled_in_the_queue(kind: Kind, puppet: Puppet) -> None:
    async def main() -> None:
        lock = kind.make()
        puppet.run(kind.obstruct(lock).acquire)
        tasks = [asyncio.create_task(hold(lock)) for _ in range(3)]
        await soon(lambda: len(kind.waiters(lock)) == 3)
        tasks[0].cancel()
        assert isinstance(await outcome(tasks[0]), asyncio.CancelledError)
        assert len(kind.waiters(lock)) == 2
        puppet.run(kind.obstruct(lock).release)
        await asyncio.gather(*tasks[1:])
        await in_thread(rested, kind, lock)

    run(main)


@each
@pytest.mark.parametrize("heard", [False, True], ids=["rung", "heard"])
def test_cancelled_when_it_has_just_been_woken(kind: Kind, puppet: Puppet, heard: bool) -> None:
    """What it was given goes to the next: a task, and then a thread."""

    async def main() -> None:
        lock = kind.make()
        obstruction = kind.obstruct(lock)
        puppet.run(obstruction.acquire)
        tasks = [asyncio.create_task(hold(lock)) for _ in range(2)]
        await soon(lambda: len(kind.waiters(lock)) == 2)
        puppet.run(obstruction.release)  # the loop does not run meanwhile, and is rung
        if heard:
            _aio._loops[asyncio.get_running_loop()]().hear()
        tasks[0].cancel()
        assert isinstance(await outcome(tasks[0]), asyncio.CancelledError)
        await tasks[1]
        await in_thread(rested, kind, lock)

    run(main)


@each
def test_both_are_cancelled(kind: Kind, puppet: Puppet) -> None:
    async def main() -> None:
        lock = kind.make()
        puppet.run(kind.obstruct(lock).acquire)
        tasks = [asyncio.create_task(hold(lock)) for _ in range(3)]
        await soon(lambda: len(kind.waiters(lock)) == 3)
        puppet.run(kind.obstruct(lock).release)
        for task in tasks:
            task.cancel()
        ended = [await outcome(task) for task in tasks]
        assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended
        await in_thread(rested, kind, lock)

    run(main)


@each
def test_timeouts(kind: Kind, puppet: Puppet) -> None:
    async def main() -> None:
        lock = kind.make()
        puppet.run(kind.obstruct(lock).acquire)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await hold(lock)
        assert not kind.waiters(lock)
        puppet.run(kind.obstruct(lock).release)
        async with asyncio.timeout(LIMIT):
            await hold(lock)

    run(main)


@each
def test_cancelled_again_and_again(kind: Kind) -> None:
    """At any step, beside a thread and tasks that take turns."""

    async def main() -> None:
        lock, stop = kind.make(), threading.Event()

        def hammer() -> None:
            while not stop.is_set():
                turn(kind.obstruct(lock))

        async def visit() -> None:
            for _ in range(40):
                await hold(lock)
                await asyncio.sleep(0)

        hammering = asyncio.create_task(in_thread(hammer))
        visiting = [asyncio.create_task(visit()) for _ in range(2)]
        for turns in range(60):
            task = asyncio.create_task(hold(lock))
            for _ in range(turns % 5):
                await asyncio.sleep(0)
            task.cancel()
            await outcome(task)
        await asyncio.gather(*visiting)
        stop.set()
        await hammering
        await in_thread(rested, kind, lock)

    run(main)


@each
@pytest.mark.parametrize("kept", [False, True])
def test_the_loop_is_closed_while_a_task_waits(kind: Kind, puppet: Puppet, kept: bool) -> None:
    """It is in nobody's way any more, whether or not somebody keeps the task."""
    lock = kind.make()
    obstruction = kind.obstruct(lock)
    puppet.run(obstruction.acquire)
    loop = asyncio.new_event_loop()

    async def begin() -> Any:
        task = asyncio.ensure_future(hold(lock))
        task.set_name("left behind")
        await soon(lambda: len(kind.waiters(lock)) == 1)
        return task if kept else None

    loop.set_exception_handler(lambda loop, context: None)  # "Task was destroyed but it is pending!"
    task = loop.run_until_complete(begin())
    loop.close()
    puppet.run(obstruction.release)
    turn(obstruction)
    assert not kind.waiters(lock)
    if task is not None:
        task.get_coro().close()
    del task, loop
    gc.collect()
    turn(obstruction)


def test_the_loop_is_closed_when_a_task_was_woken() -> None:
    """It was handed the lock and will never run."""
    lock, loop = Lock(), asyncio.new_event_loop()
    lock.acquire()

    async def begin() -> Any:
        task = asyncio.ensure_future(aio.acquire(lock))
        await soon(lambda: snapshot())
        lock.release()  # it is notified, or has it
        return task

    task = loop.run_until_complete(begin())
    loop.close()
    turn(lock)
    task.get_coro().close()
    turn(lock)


@each
def test_a_coroutine_that_is_closed(kind: Kind, puppet: Puppet) -> None:
    async def main() -> None:
        lock = kind.make()
        puppet.run(kind.obstruct(lock).acquire)
        waits = aio.acquire(lock)
        waits.send(None)
        assert len(kind.waiters(lock)) == 1
        waits.close()
        assert not kind.waiters(lock)
        puppet.run(kind.obstruct(lock).release)
        await in_thread(rested, kind, lock)

    run(main)


@each
def test_a_task_that_is_destroyed_within_the_block(kind: Kind) -> None:
    """Its loop has ended. The block ends as other blocks of a coroutine that is destroyed do."""
    lock, loop = kind.make(), asyncio.new_event_loop()

    async def within() -> None:
        async with aio.holding(lock):
            await asyncio.get_running_loop().create_future()

    async def begin() -> Any:
        task = asyncio.ensure_future(within())
        await asyncio.sleep(0)
        return task

    loop.set_exception_handler(lambda loop, context: None)  # "Task was destroyed but it is pending!"
    task = loop.run_until_complete(begin())
    loop.close()
    assert not tried(kind.obstruct(lock))
    del task
    gc.collect()
    rested(kind, lock)


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
@pytest.mark.parametrize("place", ["rung", "hear"])
def test_what_is_heard_is_not_lost(error: type[BaseException], place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception comes between the bell and the tasks that were woken, before or after one was let run."""
    event, loop, failures = Event(), asyncio.new_event_loop(), [error, error]

    class Failing:
        def __init__(self, real: Any) -> None:
            self.real = real

        def __getattr__(self, name: str) -> Any:
            if name == place and failures:
                raise failures.pop()
            return getattr(self.real, name)

    async def begin() -> Any:
        tasks = [asyncio.ensure_future(aio.wait(event)) for _ in range(3)]
        await soon(lambda: len(snapshot()) == 3)
        state = _aio._loops[loop]()
        monkeypatch.setattr(state, "bell", Failing(state.bell))
        state.waiting = {key: (Failing(task), future) for key, (task, future) in state.waiting.items()}
        loop.set_exception_handler(lambda loop, context: None)
        event.set()
        return await asyncio.gather(*tasks)

    task = loop.create_task(begin())
    while not task.done():
        try:
            loop.run_until_complete(asyncio.wait_for(task, LIMIT))
        except KeyboardInterrupt:
            assert error is KeyboardInterrupt
    assert not failures
    loop.close()


def test_a_refused_resize_reaches_a_cancelled_task() -> None:
    async def main() -> None:
        semaphore = ResizableSemaphore(3)
        semaphore.acquire(3)
        task = asyncio.create_task(aio.acquire(semaphore, 3))
        await soon(snapshot)
        semaphore.resize(2)
        task.cancel()
        assert isinstance(await outcome(task), asyncio.CancelledError)
        assert semaphore.value == -1
        semaphore.release(3)

    run(main)


def test_two_loops_wake_each_other(puppets: Any) -> None:
    lock, event, turns = IntervalLock(0), Event(), 200

    async def visit() -> int:
        await aio.wait(event)
        for _ in range(turns):
            async with aio.holding(lock):
                pass
        return turns

    results = [puppet.start(run, visit) for puppet in puppets(3)]
    until(lambda: len(snapshot()) == 3)
    event.set()
    assert [result.result(LIMIT) for result in results] == [turns] * 3
    assert not lock.locked() and snapshot() == []


@pytest.mark.parametrize("how", ["KeyboardInterrupt", "cancellation"])
def test_ctrl_c(how: str) -> None:
    """Under asyncio.run it cancels the main task; a loop that runs without that is broken off anywhere."""
    runner = "asyncio.run(main())" if how == "cancellation" else "loop.run_until_complete(loop.create_task(main()))"
    run_isolated(
        f"""
import asyncio, gc
from ft_utils import aio
from ft_utils.synchronization import Lock
from support.threads import LIMIT, Puppet, until
lock = IntervalLock()
async def main():
    await aio.acquire(lock)
loop = asyncio.new_event_loop()
loop.set_exception_handler(lambda loop, context: None)
with Puppet() as holder, Puppet() as sender:
    holder.run(lock.acquire)
    def send():
        until(snapshot)
        os.kill(os.getpid(), signal.SIGINT)
    sent = sender.start(send)
    try:
        {runner}
        print("returned")
    except KeyboardInterrupt:
        print("interrupted")
    sent.result(LIMIT)
    loop.close()
    gc.collect()
    assert snapshot() == [], snapshot()
    holder.run(lock.release)
    assert lock.acquire(timeout=LIMIT)
""",
        expect_out="interrupted",
        expect_err=None,
    )


def test_ctrl_c_at_any_moment() -> None:
    """Exceptions from handlers, at random: nothing is in a queue afterwards, and nothing that was given is kept."""
    run_isolated(
        """
import asyncio, gc, random
from ft_utils import _aio, aio
from ft_utils.synchronization import Lock, Semaphore, ResizableSemaphore
from support.threads import LIMIT
armed = False
place = []  # the functions that the exception came into
def handler(_, frame):
    global armed, place
    # Only in the middle of ours: asyncio itself does not stand an exception at any place.
    if armed and frame.f_code.co_filename == _aio.__file__:
        armed, place = False, []
        while frame and frame.f_code.co_filename == _aio.__file__:
            place.append(frame.f_code.co_name)
            frame = frame.f_back
        raise KeyboardInterrupt
signal.signal(signal.SIGALRM, handler)
locks = [Lock(), Semaphore(1), ResizableSemaphore(1)]
async def visit(number):
    while True:
        async with aio.holding(locks[number % 3]):
            await asyncio.sleep(0)
stopped = 0
end = time.monotonic() + 8
while stopped < 150 and time.monotonic() < end:
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)
    tasks = [loop.create_task(visit(number)) for number in range(6)]
    armed = True
    signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0003, 0.002), 0.0007)
    try:
        loop.run_until_complete(asyncio.wait(tasks, timeout=1))
    except KeyboardInterrupt:
        stopped += 1
    armed = False
    signal.setitimer(signal.ITIMER_REAL, 0)
    asyncio.events._set_running_loop(loop)  # __aexit__ asks for the task, which a closed coroutine has no more
    for task in tasks:
        asyncio.tasks._enter_task(loop, task)
        try:
            task.get_coro().close()
        finally:
            asyncio.tasks._leave_task(loop, task)
    asyncio.events._set_running_loop(None)
    loop.close()
    del tasks, task, loop
    gc.collect()
    assert snapshot() == [], snapshot()
    for lock in locks:
        assert lock.acquire(blocking=False), (lock, place)
        lock.release()
    place.clear()
assert stopped
print("ok")
""",
        expect_out="ok",
        expect_err=None,
    )
