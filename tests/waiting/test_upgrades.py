"""Upgrades of a ReaderWriterLock that wait: signals, deadlocks, dumps, exceptions from outside, forks, no Go."""

import io
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import ft_utils.synchronization as ft
from ft_utils.contention import dump, locks_waited_for, on_deadlock

from ..support.kicks import Kick, kick
from ..support.process import run_isolated
from ..support.threads import LIMIT, Puppet, exercise, waiters, waiting
from ..support.upgrading import UPGRADES

Puppets = Callable[[int], list[Puppet]]


def isolated(call: str, **options: Any) -> None:
    run_isolated(f"from support.upgrading import *\n{call}\nprint('ok')", expect_out="ok", **options)


FORKING = {"options": ("-W", "ignore::DeprecationWarning")}


@pytest.mark.parametrize("name", UPGRADES)
def test_ctrl_c(name: str) -> None:
    isolated(f"interrupted({name!r})")


@pytest.mark.parametrize("name", UPGRADES)
def test_signals_whose_handler_returns(name: str) -> None:
    isolated(f"undisturbed({name!r})")


def test_handlers_that_use_the_lock() -> None:
    isolated("handlers()")


@pytest.mark.parametrize(
    "case",
    [
        "forked_while_others_wait",
        "forks_while_it_upgrades",
        "forked_while_a_handler_runs",
        "in_the_hands_of_the_forking_thread",
        "written_by_another",
    ],
)
@pytest.mark.parametrize("loaded", [False, True], ids=["before Go", "after Go"])
def test_forks(case: str, loaded: bool) -> None:
    isolated(f"from support.threads import contend\nif {loaded}: contend()\n{case}()", **FORKING)


def test_without_go() -> None:
    isolated("from support.threads import contend\ncontend()\nin_child(without_go)", **FORKING)


# --- exceptions from outside ----------------------------------------------------------------------------------------


def test_an_asynchronous_exception(puppets: Puppets) -> None:
    """It waits for the end of the call; the context gives back what there is by then."""
    reader, upgrader = puppets(2)
    rw = ft.ReaderWriterLock()
    for timeout in (-1, 0.05):
        reader.run(rw.lock_read)

        def upgrade(timeout: float = timeout) -> str:
            try:
                with rw.upgradable() as reading:
                    reading.upgrade(timeout=timeout)
                    return "not reached"
            except Kick:
                return "kicked"

        upgraded = upgrader.start(upgrade)
        waiting(rw)
        kick(upgrader.ident)
        if timeout < 0:
            reader.run(rw.unlock_read)
        assert upgraded.result(LIMIT) == "kicked"
        if timeout > 0:
            reader.run(rw.unlock_read)
        assert rw.readers() == 0 and not rw.writer_locked() and not rw.upgradable_locked()


# --- deadlocks ------------------------------------------------------------------------------------------------------


@pytest.fixture
def soon() -> Iterator[None]:
    """Look after 20 ms, so that the tests take less time; back to what it was."""
    on_deadlock("raise", 0.02)
    yield
    on_deadlock()


def crossed(*bodies: Callable[[Callable[[], Any]], Any]) -> list[Any]:
    """Run the bodies, each with a function by which they meet; the errors that they got."""
    start = threading.Barrier(len(bodies))

    def run(body: Callable[[Callable[[], Any]], Any]) -> Any:
        try:
            body(lambda: start.wait(LIMIT))
        except ft.DeadlockError as error:
            return error
        return None

    return [error for error in exercise(*(lambda body=body: run(body) for body in bodies)) if error]


@pytest.mark.usefixtures("soon")
def test_an_upgrade_in_a_circle() -> None:
    """It waits for a reader that wants what it holds."""
    rw, lock = ft.ReaderWriterLock(), ft.IntervalLock()

    def upgrade(meet: Callable[[], Any]) -> None:
        with lock, rw.upgradable() as reading:
            meet()
            reading.upgrade()

    def read(meet: Callable[[], Any]) -> None:
        with rw.reading():
            meet()
            with lock:
                pass

    (error,) = crossed(upgrade, read)
    assert {waiter.kind for waiter in error.cycle} == {"ReaderWriterLock (upgrade)", "IntervalLock"}
    assert {waiter.lock for waiter in error.cycle} == {id(rw), id(lock)}
    assert rw.readers() == 0 and not rw.writer_locked() and not rw.upgradable_locked() and not lock.locked()


@pytest.mark.usefixtures("soon")
def test_one_that_wants_to_read_upgradably_in_a_circle() -> None:
    rw, lock = ft.ReaderWriterLock(), ft.IntervalLock()

    def has(meet: Callable[[], Any]) -> None:
        with rw.upgradable():
            meet()
            with lock:
                pass

    def wants(meet: Callable[[], Any]) -> None:
        with lock:
            meet()
            with rw.upgradable():
                pass

    (error,) = crossed(has, wants)
    assert {waiter.kind for waiter in error.cycle} == {"ReaderWriterLock (upgradable)", "IntervalLock"}
    assert {waiter.lock for waiter in error.cycle} == {id(rw), id(lock)}
    assert not rw.upgradable_locked() and rw.readers() == 0


@pytest.mark.usefixtures("soon")
def test_a_reader_that_an_upgrade_keeps_out_in_a_circle(puppets: Puppets) -> None:
    """The upgrade waits for one reader, that for a lock, and its owner for the read lock."""
    rw, lock = ft.ReaderWriterLock(), ft.IntervalLock()

    def upgrade(meet: Callable[[], Any]) -> None:
        with rw.upgradable() as reading:
            meet()
            meet()
            reading.upgrade()

    def read(meet: Callable[[], Any]) -> None:
        with rw.reading():
            meet()
            meet()
            with lock:
                pass

    def late(meet: Callable[[], Any]) -> None:
        with lock:
            meet()
            meet()
            waiting(rw)  # for the upgrade
            with rw.reading():
                pass

    (error,) = crossed(upgrade, read, late)
    assert len(error.cycle) == 3
    assert "ReaderWriterLock (upgrade)" in {waiter.kind for waiter in error.cycle}
    assert rw.readers() == 0 and not rw.writer_locked() and not rw.upgradable_locked()


@pytest.mark.usefixtures("soon")
def test_no_circle(puppets: Puppets) -> None:
    """An upgrade that waits for long for a reader that runs is in none, nor are those behind it."""
    reader, upgrader, wants, late = puppets(4)
    rw = ft.ReaderWriterLock()
    reader.run(rw.lock_read)
    upgrader.run(rw.lock_upgradable)
    calls = [upgrader.start(rw.upgrade)]
    waiting(rw)  # from now on it keeps the others out
    calls += [wants.start(rw.lock_upgradable), late.start(rw.lock_read)]
    waiting(rw, 3)
    # Each has looked more than once by then: the first look is after 20 ms.
    while any(wait.waited < 0.1 for wait in waiters(rw)):
        assert not any(call.done() for call in calls)
    reader.run(rw.unlock_read)
    assert calls[0].result(LIMIT) is True
    upgrader.run(rw.downgrade)
    upgrader.run(rw.unlock_read)
    for call in calls[1:]:
        call.result(LIMIT)
    wants.run(rw.unlock_upgradable)
    late.run(rw.unlock_read)


# --- what is shown --------------------------------------------------------------------------------------------------


def test_dump(puppets: Puppets) -> None:
    """One group for the lock, with all that hold it and all that wait, and for what."""
    reader, upgrader, wants = puppets(3)
    rw = ft.ReaderWriterLock()
    reader.run(rw.lock_read)
    upgrader.run(rw.lock_upgradable)
    calls = [upgrader.start(rw.upgrade), wants.start(rw.lock_upgradable)]
    waiting(rw, 2)
    (found,) = (found for found in locks_waited_for() if found["lock"] == id(rw))
    assert found["kind"] == "ReaderWriterLock"
    assert {holder["thread"] for holder in found["holders"]} == {reader.ident, upgrader.ident}
    sides = {waiter["thread"]: waiter["side"] for waiter in found["waiters"]}
    assert sides == {upgrader.ident: "upgrade", wants.ident: "upgradable"}
    out = io.StringIO()
    dump(out)
    assert out.getvalue().count(f"ReaderWriterLock at {hex(id(rw))}, held by") == 1
    assert {wait.thread: wait.kind for wait in waiters(rw)} == {upgrader.ident: "exclusive", wants.ident: "upgradable"}
    reader.run(rw.unlock_read)
    calls[0].result(LIMIT)
    upgrader.run(rw.unlock_write)
    calls[1].result(LIMIT)
    wants.run(rw.unlock_upgradable)
