"""Event, to the letter of the threading documentation."""

import time
from types import ModuleType
from typing import Any

import pytest

from ..support.family import blocked
from ..support.threads import LIMIT, Puppet, exercise


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
