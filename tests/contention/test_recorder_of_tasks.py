"""The record of where asyncio tasks wait: as of threads, at the line that awaits, and from step to step."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ft_utils import _recorder, aio
from ft_utils.synchronization import IntervalLock

from ..support.aio import KINDS, Kind, hold, outcome, run, soon
from ..support.process import run_isolated
from ..support.threads import Puppet

each = pytest.mark.parametrize("kind", KINDS, ids=str)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    if _recorder.running():
        _recorder.stop()


def waits(profile: dict[str, Any]) -> list[dict[str, Any]]:
    return [sample for sample in profile["samples"] if sample["role"] == "waiter"]


@each
def test_where_a_task_waits(kind: Kind, puppet: Puppet) -> None:
    """Two tasks, of which one is cancelled; each wait counts once, at the line that awaits."""

    async def main() -> dict[str, Any]:
        lock = kind.make()
        puppet.run(kind.obstruct(lock).acquire)
        _recorder.start()
        tasks = [asyncio.create_task(hold(lock)) for _ in range(2)]
        await soon(lambda: len(kind.waiters(lock)) == 2)
        tasks[0].cancel()
        assert isinstance(await outcome(tasks[0]), asyncio.CancelledError)
        puppet.run(kind.obstruct(lock).release)
        await tasks[1]
        return _recorder.stop()

    profile = run(main)
    (sample,) = waits(profile)
    assert sample["count"] == 2 and sample["thread"] == threading.current_thread().name
    functions = [profile["frames"][number]["function"] for number in sample["stack"]]
    assert "hold" in functions


REUSED = """
import asyncio
from ft_utils import _recorder, aio
lock = IntervalLock()
lock.lock()
begun, go = threading.Event(), threading.Event()

async def turn():
    async with asyncio.timeout(0.001):
        async with aio.holding(lock):
            pass

async def main():
    try:
        await turn()
    except TimeoutError:
        pass

def loop():
    asyncio.run(main())

_recorder.start()
first = threading.Thread(target=loop, name="loop")
first.start()
ident = first.ident
first.join()
others = []
for _ in range(50):  # until one has the ident of the loop's
    others.append(threading.Thread(target=go.wait, name="innocent"))
    others[-1].start()
    if others[-1].ident == ident: break
names = {sample["thread"] for sample in _recorder.stop()["samples"]}
go.set()
print(names)
"""


def test_a_loop_that_has_ended_keeps_its_name() -> None:
    """Also where another thread has its ident when the recording ends."""
    run_isolated(REUSED, expect_out="{'loop'}")


def test_a_task_that_goes_on_waiting(puppet: Puppet) -> None:
    """The end of the recording ends its wait there; the task goes on, and so does the next recording."""

    async def main() -> None:
        lock = IntervalLock()
        puppet.run(lock.lock)
        _recorder.start()
        task = asyncio.create_task(hold(lock))
        await soon(lambda: len(KINDS[0].waiters(lock)) == 1)
        assert [sample["count"] for sample in waits(_recorder.stop())] == [1]
        _recorder.start()
        puppet.run(lock.unlock)
        await task
        assert not waits(_recorder.stop())

    run(main)


def test_a_task_holds_threads_up(puppet: Puppet) -> None:
    async def main() -> dict[str, Any]:
        lock = IntervalLock()
        _recorder.start()
        async with aio.holding(lock):
            got = puppet.start(lock.lock)
            await soon(lambda: len(KINDS[0].waiters(lock)) == 1)
        await asyncio.to_thread(got.result)
        return _recorder.stop()

    (holder,) = (sample for sample in run(main)["samples"] if sample["role"] == "holder")
    assert holder["thread"] == threading.current_thread().name
    puppet.close()


def test_a_lock_that_a_task_of_this_thread_holds(puppet: Puppet) -> None:
    """The thread is refused, and that is no wait."""

    async def main() -> None:
        lock = IntervalLock()
        async with aio.holding(lock):
            _recorder.start()
            with pytest.raises(RuntimeError, match="event loop holds the lock"):
                lock.lock()
            assert not _recorder.stop()["samples"]
            _recorder.start()
            assert puppet.run(lock.acquire, True, 0.001) is False
        assert len(waits(_recorder.stop())) == 1

    run(main)


def test_a_child_forgets_the_waits_of_tasks() -> None:
    run_isolated(
        """
        import asyncio
        from ft_utils import _recorder, aio

        async def main():
            lock, held, go = IntervalLock(), threading.Event(), threading.Event()
            def hold():
                with lock:
                    held.set()
                    go.wait(20)
            thread = threading.Thread(target=hold)
            thread.start()
            held.wait()
            _recorder.start()
            async def turn():
                async with aio.holding(lock):
                    pass
            task = asyncio.create_task(turn())
            while not snapshot(): await asyncio.sleep(0.001)
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    _recorder.start()
                    other = IntervalLock()
                    other.lock()
                    t = threading.Thread(target=other.acquire, args=(True, 0.001))
                    t.start(); t.join()
                    del task
                    code = len(_recorder.stop()["samples"]) + 1
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
            go.set()
            await task
            thread.join()
            assert sum(s["count"] for s in _recorder.stop()["samples"] if s["role"] == "waiter") == 1

        asyncio.run(main())
        """,
        options=("-W", "ignore::DeprecationWarning"),
    )
