"""Deadlocks in a crowd, behind tasks, and beside signals: found, once and in time."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import ft_utils.synchronization as ft
from ft_utils import aio
from ft_utils.contention import on_deadlock

from ..support.crossing import Lock, exclusive, reader, the_only, writer
from ..support.process import run_isolated
from ..support.threads import LIMIT, waiting


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    """Look after 20 ms, so that the tests take less time; back to what it was."""
    on_deadlock("raise", 0.02)
    yield
    on_deadlock()


def test_a_deadlock_among_many_that_wait_for_the_same(puppets: Any) -> None:
    """A look follows one of those that wait for one lock in one way. Whichever it is, it finds the circle."""
    a, b = puppets(2)
    crowd = puppets(8)
    one, two = ft.ReaderWriterLock(), ft.ReaderWriterLock()
    a.run(one.lock_write), b.run(two.lock_write)

    def turn(side: Lock) -> None:
        # A writer of the crowd keeps the reader out that is to cross: it is in a circle of three, and may be told.
        with contextlib.suppress(ft.DeadlockError), side:
            pass

    def cross(mine: Lock, other: Lock) -> Any:
        try:
            with other:
                return None
        except ft.DeadlockError as error:
            return error
        finally:
            mine.give()

    sides = [writer(one), writer(two), reader(one), reader(two)] * 2
    turns = [puppet.start(turn, side) for puppet, side in zip(crowd, sides, strict=True)]
    waiting(one, 4), waiting(two, 4)
    crossed = [a.start(cross, writer(one), writer(two)), b.start(cross, writer(two), reader(one))]
    the_only([cross.result(LIMIT) for cross in crossed])
    for each in turns:
        each.result(LIMIT)


def test_many_that_look_at_once() -> None:
    """A look goes once to each way of waiting. Where it went through all pairs of threads, the free-threaded build did
    not come to the end of this within the limit."""
    run_isolated(
        """
        from ft_utils.contention import on_deadlock
        on_deadlock("raise", 0.02)
        threading.stack_size(256 * 1024)
        rw = ReaderWriterLock()
        def write():
            rw.lock_write(), rw.unlock_write()
        def read():
            rw.lock_read(), rw.unlock_read()
        rw.lock_write()
        threads = [threading.Thread(target=turn) for turn in (write, read) for _ in range(400)]
        for thread in threads:
            thread.start()
        threading.Event().wait(0.7)  # 20, 40, 80, 160, 320 ms: five looks
        rw.unlock_write()
        for thread in threads:
            thread.join()
        """,
        timeout=100,
    )


HELD_BY_TASKS: dict[str, Callable[[], tuple[Any, Lock]]] = {
    "IntervalLock": lambda: (lock := ft.IntervalLock(), exclusive(lambda: lock)),
    "RLock": lambda: (lock := ft.RLock(), exclusive(lambda: lock)),
    "reader": lambda: ((rw := ft.ReaderWriterLock()).reading(), writer(rw)),
    "writer": lambda: ((rw := ft.ReaderWriterLock()).writing(), reader(rw)),
}


@pytest.mark.parametrize("timeout", [-1, 0.2], ids=["for ever", "timed"])
@pytest.mark.parametrize("kind", HELD_BY_TASKS)
def test_a_task_holds_the_lock_and_its_loop_is_blocked(kind: str, timeout: float, puppets: Any) -> None:
    """No task runs while the thread of its loop waits: a circle, unless that gives up by itself."""
    a, b = puppets(2)
    theirs = ft.IntervalLock()
    held, wanted = HELD_BY_TASKS[kind]()
    a.run(theirs.lock)

    def cross() -> Any:
        try:
            with wanted:
                return None
        except ft.DeadlockError as error:
            return error
        finally:
            theirs.unlock()

    async def main() -> Any:
        async with aio.holding(held):
            crosses = a.start(cross)
            waiting(wanted.lock)
            try:
                if theirs.acquire(timeout=timeout):
                    theirs.unlock()
            except ft.DeadlockError as error:
                return error, crosses
            return None, crosses

    told, crosses = b.start(asyncio.run, main()).result(LIMIT)
    results = [told, crosses.result(LIMIT)]
    if timeout > 0:
        assert results == [None, None]
    else:
        assert {waiter.thread for waiter in the_only(results).cycle} == {a.ident, b.ident}


SIGNALLED = """
    from ft_utils.contention import on_deadlock
    from support.threads import LIMIT, Puppet, until, waiting
    ticks = []
    signal.signal(signal.SIGALRM, lambda *_: ticks.append(1))
    a, b = IntervalLock(), IntervalLock()
    other = Puppet("other")
    a.lock(), other.run(b.lock)
    signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
"""


def test_signals_that_come_more_often_than_a_look() -> None:
    """Each of them ends the main thread's sleep: what it had slept counts."""
    run_isolated(
        SIGNALLED
        + """
    def cross():
        try:
            with a:
                return True
        except RuntimeError:
            return False
        finally:
            b.unlock()
    crosses = other.start(cross)
    try:
        with b:
            told = False
    except RuntimeError:
        told = True
    signal.setitimer(signal.ITIMER_REAL, 0)
    a.unlock()
    assert crosses.result(LIMIT) == told
    assert 0 < len(ticks) < 1000, len(ticks)  # 50 are enough; without, it takes a hitch of the machine
    print("told")
    """,
        expect_out="told",
    )


def test_a_wait_that_handlers_interrupt_is_one_wait() -> None:
    """It is reported once, and a dump says how long all of it has taken."""
    outcome = run_isolated(
        SIGNALLED
        + """
    from ft_utils.contention import locks_waited_for
    on_deadlock("report", 0.01)
    other.start(a.lock)
    def waits_of_main():
        mine = threading.main_thread().ident
        return [w["waited"] for lock in locks_waited_for() for w in lock["waiters"] if w["thread"] == mine]
    def look():
        waiting(b)
        began = time.monotonic()
        threading.Event().wait(0.5)  # time for several looks
        until(lambda: len(ticks) > 20)
        waited = time.monotonic() - began
        (shown,) = until(waits_of_main)  # while handlers run it does not wait
        assert shown >= waited - 0.05, (shown, waited)  # the coarse clock may be 4 ms late
        print("one wait", flush=True)
        os._exit(0)
    threading.Thread(target=look, daemon=True).start()
    b.lock()
    """,
        expect_out="one wait",
        expect_err="deadlock of 2 threads",
    )
    assert outcome.err.count("deadlock of 2 threads") == 1, outcome.err
