"""A Condition over a lock that is not ours, whose methods wait for locks of ours in the middle of wait()."""

from collections.abc import Iterator
from typing import Any

import pytest

import ft_utils.synchronization as ft

from ..support.buffer import pass_through
from ..support.foreign_locks import INNER, Logging, queue_of
from ..support.process import run_isolated
from ..support.threads import LIMIT, Puppet, exercise, until, waiting


class Scene:
    """A thread in wait(), whose lock's release() waits for a lock that another thread holds."""

    def __init__(self, kind: str, waiter: Puppet, holder: Puppet, timeout: float | None) -> None:
        inner, self.blocker = INNER[kind]()
        self.waiter, self.holder = waiter, holder
        self.lock = Logging(inner)
        self.condition = ft.Condition(self.lock)
        holder.run(self.blocker.acquire)
        self.result = waiter.start(self.wait, timeout)
        waiting(queue_of(inner))

    def wait(self, timeout: float | None) -> tuple[bool, bool]:
        with self.condition:
            notified = self.condition.wait(timeout)
            return notified, self.lock.outer.locked()

    def let_release_go_on(self) -> None:
        self.holder.run(self.blocker.release)
        until(lambda: self.lock.releases == 1, "the release")

    def notify(self) -> None:
        with self.condition:
            self.condition.notify()

    def end(self, notified: bool) -> None:
        assert self.result.result(LIMIT) == (notified, True)
        assert self.lock.releases == 1
        assert not self.lock.outer.locked()
        assert ft.snapshot() == []
        # The seat is as good as new: both locks can be waited for again.
        self.holder.run(self.blocker.acquire)
        again = self.waiter.start(self.lock.inner.acquire)
        waiting(queue_of(self.lock.inner))
        self.holder.run(self.blocker.release)
        again.result(LIMIT)
        self.waiter.run(self.lock.inner.release)


@pytest.fixture(params=[None, LIMIT], ids=["untimed", "timed"])
def timeout(request: pytest.FixtureRequest) -> Iterator[float | None]:
    return request.param


@pytest.mark.parametrize("kind", INNER)
def test_notified_after_a_release_that_waited(kind: str, timeout: float | None, puppets: Any) -> None:
    scene = Scene(kind, *puppets(2), timeout)
    scene.let_release_go_on()
    exercise(scene.notify)
    scene.end(notified=True)


@pytest.mark.parametrize("kind", INNER)
def test_notified_while_release_waits(kind: str, timeout: float | None, puppets: Any) -> None:
    """By a thread that does not hold the lock: one that does not tell its owner counts as owned when it is taken."""
    scene = Scene(kind, *puppets(2), timeout)
    scene.condition.notify()
    scene.let_release_go_on()
    scene.end(notified=True)


@pytest.mark.parametrize("kind", INNER)
def test_timed_out_while_release_waits(kind: str, puppets: Any) -> None:
    scene = Scene(kind, *puppets(2), 0.001)
    scene.let_release_go_on()
    scene.end(notified=False)


@pytest.mark.parametrize("kind", INNER)
def test_release_that_fails_after_it_waited(kind: str, puppets: Any) -> None:
    """wait() raises what release() raised; the lock is still held and nobody waits."""
    waiter, holder = puppets(2)
    inner, blocker = INNER[kind]()

    class Failing(Logging):
        def release(self) -> None:
            with self.inner:
                raise OSError("no log")

    lock = Failing(inner)
    condition = ft.Condition(lock)
    holder.run(blocker.acquire)

    def wait() -> None:
        with condition:
            with pytest.raises(OSError, match="no log"):
                condition.wait()
            assert lock.outer.locked()

    result = waiter.start(wait)
    waiting(queue_of(inner))
    holder.run(blocker.release)
    result.result(LIMIT)
    assert ft.snapshot() == []


@pytest.mark.parametrize("kind", INNER)
def test_many_threads_through_such_a_condition(kind: str) -> None:
    """A bounded buffer: every item arrives, whatever release() has to wait for."""
    inner, _ = INNER[kind]()
    pass_through(ft.Condition(Logging(inner)), 50, 3)


@pytest.mark.parametrize("raises", [False, True])
@pytest.mark.parametrize("kind", INNER)
def test_signals_while_release_waits(kind: str, raises: bool) -> None:
    """The handler runs in the inner wait and waits for locks itself; one that raises ends release(), and so wait()."""
    run_isolated(
        f"""
        from support.foreign_locks import *
        from support.threads import *
        inner, blocker = INNER[{kind!r}]()
        lock = Logging(inner)
        condition = ft.Condition(lock)
        other = ft.Lock()
        holder, second = Puppet(), Puppet()
        holder.run(blocker.acquire)
        second.run(other.acquire)
        calls = []
        def handler(number, frame):
            calls.append(number)
            assert not other.acquire(timeout=0.001)
            if {raises}:
                raise InterruptedError
        signal.signal(signal.SIGUSR1, handler)
        def help():
            waiting(queue_of(inner))
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
            until(lambda: calls)
            holder.run(blocker.release)
            if not {raises}:
                until(lambda: lock.releases)
                with condition:
                    condition.notify()
        helper = threading.Thread(target=help)
        helper.start()
        with condition:
            try:
                assert condition.wait(LIMIT)
            except InterruptedError:
                print("interrupted")
            assert lock.outer.locked()
        helper.join(LIMIT)
        assert ft.snapshot() == []
        print("done")
        """,
        expect_out="interrupted\ndone" if raises else "done",
    )

