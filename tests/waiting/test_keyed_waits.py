"""The locks of a KeyedLock under Ctrl-C, handlers, forks, in circles of threads, and taken by tasks."""

import asyncio
import threading

import pytest

from ft_utils import aio, contention
from ft_utils.synchronization import DeadlockError, KeyedLock, snapshot

from ..support.aio import hold, in_thread, run, soon
from ..support.keyed import queued
from ..support.process import run_isolated
from ..support.threads import LIMIT, Puppet

HELPERS = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
from ft_utils.synchronization import KeyedLock
from support.blocking import Handler, send_until_counted
from support.forks import in_child
from support.threads import LIMIT, Puppet, until
keyed, me = KeyedLock(), threading.get_ident()
"""


@pytest.mark.parametrize("call", ["acquire('a')", "__call__('a').__enter__()", "within('a', 1000).__enter__()"])
def test_ctrl_c(call: str) -> None:
    run_isolated(
        HELPERS
        + f"""
Handler(signal.SIGINT, raises=True)
with Puppet() as holder, Puppet() as sender:
    holder.run(keyed.acquire, "a")
    def send():
        until(snapshot)
        signal.pthread_kill(me, signal.SIGINT)
    sent = sender.start(send)
    try:
        keyed.{call}
        print("returned")
    except KeyboardInterrupt:
        print("interrupted")
    sent.result(LIMIT)
    assert snapshot() == []
    holder.run(keyed.release, "a")
    assert len(keyed) == 0, keyed
    with keyed("a"):
        pass
""",
        expect_out="interrupted",
    )


def test_a_handler_that_uses_it() -> None:
    run_isolated(
        HELPERS
        + """
def action():
    assert not keyed.acquire("a", False)
    with keyed("b"), keyed("c"):
        pass
handler = Handler(signal.SIGUSR1, action=action)
with Puppet() as holder:
    holder.run(keyed.acquire, "a")
    def watch():
        for count in range(3):
            until(snapshot)
            send_until_counted(handler, count, me)
        keyed.release("a")
    watched = holder.start(watch)
    with keyed("a"):
        assert len(keyed) == 1
    watched.result(LIMIT)
assert handler.count == 3 and len(keyed) == 0
print("ok")
""",
        expect_out="ok",
    )


def test_fork() -> None:
    """What the forking thread holds it holds in the child; what others held stays held, and other keys are free."""
    run_isolated(
        HELPERS
        + """
keyed.acquire("mine")
def child():
    assert snapshot() == []
    keyed.release("mine")
    assert keyed.locked("theirs") and not keyed.acquire("theirs", timeout=0.01)
    for key in range(100):
        with keyed(key), Puppet() as friend:
            assert friend.run(keyed.acquire, key, timeout=0.0005) is False
    with Puppet() as friend:
        keyed.acquire("a")
        waits = friend.start(keyed.acquire, "a")
        until(lambda: " waiters=1 " in repr(keyed("a")))
        keyed.release("a")
        assert waits.result(LIMIT)
        friend.run(keyed.release, "a")
with Puppet() as holder, Puppet() as waiter:
    holder.run(keyed.acquire, "theirs")
    waits = waiter.start(keyed.acquire, "theirs")
    until(snapshot)
    in_child(child)
    holder.run(keyed.release, "theirs")
    in_child(lambda: keyed.locked("theirs"))
    assert waits.result(LIMIT)
    waiter.run(keyed.release, "theirs")
keyed.release("mine")
assert len(keyed) == 0
print("ok")
""",
        expect_out="ok",
    )


def test_deadlocks_are_found(puppet: Puppet) -> None:
    keyed = KeyedLock()
    puppet.run(keyed.acquire, "b")
    with keyed("a"):
        other = puppet.start(keyed.acquire, "a", timeout=LIMIT)
        queued(keyed, "a")
        (found,) = contention.locks_waited_for()
        assert found["kind"] == "KeyedLock"
        assert [holder["thread"] for holder in found["holders"]] == [threading.get_ident()]
    assert other.result(LIMIT)
    puppet.run(keyed.release, "a")
    keyed.acquire("a")
    errors = []

    def cross() -> bool:
        try:
            return keyed.acquire("a")
        except DeadlockError as error:
            errors.append(error)
            keyed.release("b")
            return False

    crossing = puppet.start(cross)
    queued(keyed, "a")
    try:
        keyed.acquire("b")
    except DeadlockError as error:
        errors.append(error)
        keyed.release("a")
        assert crossing.result(LIMIT)
        puppet.run(keyed.release, "a")
        puppet.run(keyed.release, "b")
    else:
        assert not crossing.result(LIMIT)
        keyed.release("a")
        keyed.release("b")
    (error,) = errors
    assert "KeyedLock" in str(error)
    assert len(keyed) == 0


def test_tasks() -> None:
    async def main() -> None:
        keyed = KeyedLock()
        handle = keyed("a")
        async with aio.holding(handle):
            assert not await in_thread(keyed.acquire, "a", False)
            with pytest.raises(RuntimeError):
                await aio.acquire(keyed("a"))
            tasks = [asyncio.create_task(hold(keyed("a"))) for _ in range(3)]
            await soon(lambda: len(snapshot()) == 3)
            tasks[0].cancel()
        await asyncio.gather(*tasks[1:])
        puppet_turn = await in_thread(keyed.acquire, "a", False)
        assert puppet_turn is True and len(keyed) == 1
        with pytest.raises(TypeError, match=r"not for KeyedLock|not for ft_utils"):
            await aio.acquire(keyed)

    run(main)
