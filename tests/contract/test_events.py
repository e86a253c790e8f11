"""Event, to the letter of the threading documentation."""

import gc
import time
from types import ModuleType
from typing import Any

import pytest

from ..support.family import blocked
from ..support.threads import LIMIT, Puppet, exercise, until


@pytest.fixture
def event(module: ModuleType) -> Any:
    return module.Event()


def test_flag(event: Any) -> None:
    assert event.is_set() is False
    for _ in range(2):  # setting what is set changes nothing
        assert event.set() is None
        assert event.is_set() is True
    for _ in range(2):
        assert event.clear() is None
        assert event.is_set() is False


def test_methods_take_no_arguments(event: Any, module: ModuleType) -> None:
    for call in (event.is_set, event.set, event.clear, module.Event):
        with pytest.raises(TypeError):
            call(1)
    assert not event.is_set()


def test_old_name(event: Any) -> None:
    with pytest.warns(DeprecationWarning, match="is_set"):
        assert event.isSet() is False
    event.set()
    with pytest.warns(DeprecationWarning):
        assert event.isSet() is True


@pytest.mark.parametrize("args", [(), (None,), (0,), (0.0,), (-1,), (5,), (1e-9,)], ids=repr)
def test_wait_for_what_is_set(event: Any, args: tuple[Any, ...]) -> None:
    event.set()
    assert event.wait(*args) is True
    if args:
        assert event.wait(timeout=args[0]) is True


@pytest.mark.parametrize("timeout", [0, 0.0, -1, -0.5, -1e9])
def test_timeouts_that_are_over_at_once(event: Any, timeout: float) -> None:
    assert event.wait(timeout) is False
    assert event.wait(timeout=timeout) is False


@pytest.mark.parametrize(("timeout", "error"), [(1e100, OverflowError), ("1", TypeError), ([], TypeError)])
def test_wrong_timeouts(event: Any, timeout: Any, error: type[Exception]) -> None:
    """When it has to wait: what happens to a timeout that is not needed is not told."""
    with pytest.raises(error):
        event.wait(timeout)
    assert not event.is_set()
    event.set()
    assert event.wait() is True


@pytest.mark.parametrize("timeout", [0.0001, 0.05])
def test_timeout_ends_the_wait_not_before_its_time(event: Any, timeout: float) -> None:
    start = time.monotonic()
    assert event.wait(timeout) is False
    assert timeout <= time.monotonic() - start < timeout + 10
    event.set()
    assert event.wait(timeout) is True


@pytest.mark.parametrize("args", [(), (None,), (LIMIT,)], ids=repr)
def test_set_lets_all_go(event: Any, puppets: Any, args: tuple[Any, ...]) -> None:
    waits = [puppet.start(event.wait, *args) for puppet in puppets(5)]
    blocked(event, 5)
    assert not any(wait.done() for wait in waits)
    event.set()
    assert [wait.result(LIMIT) for wait in waits] == [True] * 5
    assert event.is_set()


def test_cleared_right_after(event: Any, puppets: Any) -> None:
    """Who waited when it was set goes, and is told so, whatever the flag is by the time it wakes."""
    crowd = puppets(4)
    for _ in range(20):
        waits = [puppet.start(event.wait) for puppet in crowd]
        blocked(event, 4)
        event.set()
        event.clear()
        assert [wait.result(LIMIT) for wait in waits] == [True] * 4
        assert not event.is_set()
    assert event.wait(0) is False


def test_some_time_out_others_do_not(event: Any, puppets: Any) -> None:
    patient, hasty = puppets(2)
    stays = patient.start(event.wait)
    blocked(event)
    assert hasty.run(event.wait, 0.01) is False
    blocked(event)
    event.set()
    assert stays.result(LIMIT) is True


def test_set_by_another_thread(event: Any, puppet: Puppet) -> None:
    puppet.run(event.set)
    assert event.wait(LIMIT) is True
    puppet.run(event.clear)
    assert not event.is_set()


def test_what_was_written_before_is_seen_after(module: ModuleType) -> None:
    rounds = 300
    there, back, shared, seen = module.Event(), module.Event(), [0], []

    def write() -> None:
        for number in range(rounds):
            shared[0] = number
            there.set()
            assert back.wait(LIMIT)
            back.clear()

    def read() -> None:
        for _ in range(rounds):
            assert there.wait(LIMIT)
            there.clear()
            seen.append(shared[0])
            back.set()

    exercise(write, read)
    assert seen == list(range(rounds))


def test_reinit_after_a_fork(event: Any) -> None:
    """The flag is what it was; who waited in the parent is forgotten."""
    event._at_fork_reinit()
    assert not event.is_set()
    event.set()
    event._at_fork_reinit()
    assert event.is_set()
    assert event.wait(0) is True


# --- its condition, which is private and used all the same ----------------------------------------------------------


def test_condition_of_an_event(event: Any, puppet: Puppet) -> None:
    """Who holds it keeps set(), clear() and wait() out."""
    condition = event._cond
    assert event._cond is condition
    for call, flag in ((event.set, True), (event.clear, False)):
        with condition:
            assert not condition.acquire(False)
            done = puppet.start(call)
            blocked(condition._lock)
            assert event.is_set() is not flag and not done.done()
        done.result(LIMIT)
        assert event.is_set() is flag
    event.set()
    with condition:
        waits = puppet.start(event.wait)
        blocked(condition._lock)
        assert not waits.done()
    assert waits.result(LIMIT) is True


def test_wait_for_the_condition_of_an_event(event: Any, puppets: Any) -> None:
    """It is notified by set(), whatever the flag was before, and notifying it ends the waits for the event."""
    condition = event._cond

    def wait_for_condition() -> bool:
        with condition:
            return condition.wait(LIMIT)

    for _ in range(2):
        waits = [puppet.start(wait_for_condition) for puppet in puppets(2)]
        blocked(condition, 2)
        event.set()
        assert [wait.result(LIMIT) for wait in waits] == [True] * 2
    event.clear()
    waits = [puppet.start(event.wait, LIMIT) for puppet in puppets(2)]
    blocked(condition, 2)
    with condition:
        condition.notify(2)
    assert [wait.result(LIMIT) for wait in waits] == [True] * 2
    assert not event.is_set()


def test_condition_asked_for_while_others_wait(event: Any, puppets: Any) -> None:
    early, late = puppets(2)
    before = early.start(event.wait)
    blocked(event)
    waiters = event._cond._waiters
    assert len(waiters) == 1 and waiters
    after = late.start(event.wait)
    until(lambda: len(waiters) == 2)
    event.set()
    assert before.result(LIMIT) is True and after.result(LIMIT) is True
    assert len(waiters) == 0 and not waiters


def test_condition_that_outlives_its_event(event: Any, puppet: Puppet) -> None:
    condition = event._cond
    puppet.run(event.is_set)
    del event
    gc.collect()
    assert len(condition._waiters) == 0
    with condition:
        assert condition.wait(0) is False
        condition.notify_all()


@pytest.mark.parametrize(("timeout", "error"), [(1e100, OverflowError), ("1", TypeError), ([], TypeError)])
def test_wrong_timeouts_with_a_condition(event: Any, timeout: Any, error: type[Exception]) -> None:
    """The condition is left, however the call ends."""
    condition = event._cond
    with pytest.raises(error):
        event.wait(timeout)
    assert event.wait(0) is False and event.wait(0.001) is False
    assert condition.acquire(False)
    condition.release()


def test_condition_asked_for_at_any_moment(module: ModuleType) -> None:
    """Nobody misses a set(), on whichever side of the first look at the condition it falls."""
    for _ in range(200):
        event = module.Event()

        def look(event: Any = event) -> bool:
            with event._cond:
                return event._flag or event._cond.wait(LIMIT)

        def wait(event: Any = event) -> bool:
            return event.wait(LIMIT)

        def ask(event: Any = event) -> bool:
            return event._cond is event._cond

        assert exercise(look, wait, event.set, ask) == [True, True, None, True]


def test_reinit_with_a_condition(event: Any, puppet: Puppet) -> None:
    condition = event._cond
    puppet.run(condition.acquire)
    event._at_fork_reinit()
    with condition:
        assert not condition.acquire(False)
    event.set()
    assert event.wait(0) is True


def test_init_again(event: Any) -> None:
    event.set()
    event.__init__()
    assert not event.is_set()
