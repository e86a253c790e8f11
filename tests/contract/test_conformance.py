"""One suite for every way to hold a lock; support/adapters.py lists them."""

import copy
import gc
import inspect
import pickle
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from ..support.adapters import ADAPTERS, CLASSES, Subject
from ..support.threads import LIMIT, Puppet, exercise, waiters, waiting


@pytest.fixture(params=ADAPTERS, ids=str)
def subject(request: pytest.FixtureRequest) -> Subject:
    return Subject(request.param)


@pytest.fixture(params=CLASSES, ids=lambda row: row[0].__name__)
def row(request: pytest.FixtureRequest) -> Any:
    return request.param


# --- acquire, to the letter of threading.Lock.acquire ---------------------------------------------------------------

# All of these return at once on a free lock.
ARGUMENTS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((True,), {}),
    ((False,), {}),
    ((1,), {}),
    ((0,), {}),
    (("yes",), {}),
    ((None,), {}),
    (([],), {}),
    ((True, -1), {}),
    ((True, 1), {}),
    ((True, 0), {}),
    ((True, 0.5), {}),
    ((False, -1), {}),
    ((False, -1.0), {}),
    ((), {"blocking": False}),
    ((), {"timeout": 1}),
    ((), {"blocking": True, "timeout": 0.0}),
    ((), {"timeout": True}),
    ((), {"timeout": threading.TIMEOUT_MAX}),
    ((False, 0), {}),
    ((False, 1), {}),
    ((False, -2), {}),
    ((True, -2), {}),
    ((True, -0.5), {}),
    ((True, -1.5), {}),
    ((True, -1e-9), {}),
    ((True, float("nan")), {}),
    ((True, float("inf")), {}),
    ((True, float("-inf")), {}),
    ((True, threading.TIMEOUT_MAX * 2), {}),
    ((True, 1e100), {}),
    ((True, 10**30), {}),
    ((True, "1"), {}),
    ((True, None), {}),
    ((True, 1j), {}),
    ((True, 1, 1), {}),
    ((), {"time": 1}),
    ((True,), {"blocking": True}),
]


def outcome(acquire: Callable[..., Any], release: Callable[[], None], args: Any, kwargs: Any) -> Any:
    """What a call gave: its value, or the type of its exception."""
    try:
        taken = acquire(*args, **kwargs)
    except Exception as error:
        return type(error)
    if taken:
        release()
    return taken


@pytest.mark.parametrize(("args", "kwargs"), ARGUMENTS, ids=repr)
def test_acquire_takes_the_arguments_of_threading_lock(subject: Subject, args: Any, kwargs: Any) -> None:
    standard = threading.Lock()
    expected = outcome(standard.acquire, standard.release, args, kwargs)
    assert outcome(subject.acquire, subject.release, args, kwargs) is expected
    assert subject.idle()


@pytest.mark.parametrize(
    ("kwargs", "error"),
    [
        ({"timeout": -2}, ValueError),
        ({"blocking": False, "timeout": 1}, ValueError),
        ({"timeout": 1e100}, OverflowError),
        ({"timeout": "1"}, TypeError),
    ],
    ids=repr,
)
def test_wrong_arguments_are_told_apart_while_the_lock_is_held(
    subject: Subject, puppet: Puppet, kwargs: Any, error: type[Exception]
) -> None:
    puppet.run(subject.exclude)
    with pytest.raises(error):
        subject.acquire(**kwargs)
    puppet.run(subject.admit)
    assert subject.idle()


def test_signatures_are_readable(subject: Subject) -> None:
    acquire = inspect.signature(subject.acquire)
    assert [(p.name, p.default) for p in acquire.parameters.values()] == [("blocking", True), ("timeout", -1)]
    assert not inspect.signature(subject.release).parameters


def test_signatures_of_all_methods(row: Any) -> None:
    cls, arguments = row
    inspect.signature(cls)
    for name in public_methods(cls):
        inspect.signature(getattr(cls, name))
        inspect.signature(getattr(cls(*arguments()), name))


def test_methods_without_arguments_reject_some(subject: Subject) -> None:
    subject.acquire()
    with pytest.raises(TypeError):
        subject.release(1)
    assert subject.held()
    subject.release()


# --- taking and releasing -------------------------------------------------------------------------------------------


def test_acquire_and_release(subject: Subject) -> None:
    assert not subject.held()
    assert subject.acquire() is True
    assert subject.held() is True
    assert subject.release() is None
    assert subject.held() is False
    assert subject.idle()


def test_held_lock_cannot_be_taken_without_blocking(subject: Subject, puppet: Puppet) -> None:
    puppet.run(subject.exclude)
    assert subject.acquire(blocking=False) is False
    assert subject.acquire(timeout=0) is False
    puppet.run(subject.admit)
    assert subject.acquire(blocking=False) is True
    subject.release()


@pytest.mark.parametrize("timeout", [0.0001, 0.05])
def test_timeout_ends_the_wait_not_before_its_time(subject: Subject, puppet: Puppet, timeout: float) -> None:
    puppet.run(subject.exclude)
    start = time.monotonic()
    assert subject.acquire(timeout=timeout) is False
    # Only the lower bound is the lock's promise; the upper one is for a machine under load.
    assert timeout <= time.monotonic() - start < timeout + 10
    waiting_none(subject)
    puppet.run(subject.admit)
    assert subject.idle()


def test_timed_acquire_gets_a_lock_released_in_time(subject: Subject, puppets: Any) -> None:
    holder, waiter = puppets(2)
    holder.run(subject.exclude)
    taken = waiter.start(subject.acquire, timeout=LIMIT)
    waiting(subject.lock)
    holder.run(subject.admit)
    assert taken.result(LIMIT) is True
    waiter.run(subject.release)
    assert subject.idle()


def test_release_wakes_every_waiter_in_turn(subject: Subject, puppets: Any) -> None:
    holder, *others = puppets(6)
    holder.run(subject.exclude)

    def once() -> None:
        subject.acquire()
        subject.release()

    done = [other.start(once) for other in others]
    waiting(subject.lock, 5)
    holder.run(subject.admit)
    for future in done:
        future.result(LIMIT)
    assert subject.idle()
    waiting_none(subject)


def test_waiters_leave_after_timeouts(subject: Subject, puppets: Any) -> None:
    holder, *others = puppets(5)
    holder.run(subject.exclude)
    assert [f.result(LIMIT) for f in [o.start(subject.acquire, timeout=0.01) for o in others]] == [False] * 4
    waiting_none(subject)
    holder.run(subject.admit)
    assert subject.idle()


def test_mutual_exclusion(subject: Subject) -> None:
    """Counts would be lost if two threads were inside at once; on the read side the writers count."""
    acquire, release = subject.exclude, subject.admit
    counter = [0]

    def count() -> None:
        for _ in range(2000):
            acquire()
            counter[0] += 1
            release()

    def enter() -> None:
        for _ in range(2000):
            subject.acquire()
            seen = counter[0]
            assert counter[0] == seen
            subject.release()

    exercise(count, enter, count, enter)
    assert counter[0] == 4000
    assert subject.idle()


def test_sharing(subject: Subject, puppet: Puppet) -> None:
    puppet.run(subject.acquire)
    assert subject.acquire(blocking=False) is subject.adapter.shared
    if subject.adapter.shared:
        subject.release()
    puppet.run(subject.release)
    assert subject.idle()


@pytest.mark.parametrize("kwargs", [{"blocking": False}, {"timeout": 0}], ids=repr)
def test_trying_to_take_it_again(subject: Subject, kwargs: Any) -> None:
    """A try cannot deadlock, so its answer is that of threading.Lock."""
    subject.acquire()
    assert subject.acquire(**kwargs) is subject.adapter.nests
    if subject.adapter.nests:
        subject.release()
    assert subject.held()
    subject.release()
    assert subject.idle()


@pytest.mark.parametrize("kwargs", [{}, {"timeout": 1}], ids=repr)
def test_taking_it_again(subject: Subject, kwargs: Any) -> None:
    subject.acquire()
    if subject.adapter.nests:
        assert subject.acquire(**kwargs) is True
        subject.release()
    else:
        with pytest.raises(RuntimeError, match=r"\w+ \w+ \w+"):
            subject.acquire(**kwargs)
    assert subject.held()
    subject.release()
    assert subject.idle()


# --- misuse ---------------------------------------------------------------------------------------------------------


def test_release_of_a_free_lock(subject: Subject) -> None:
    for _ in range(3):
        with pytest.raises(RuntimeError, match=r"\w+ \w+ \w+"):
            subject.release()
    assert subject.idle()
    subject.acquire()
    subject.release()


def test_release_by_another_thread(subject: Subject, puppet: Puppet) -> None:
    puppet.run(subject.acquire)
    with pytest.raises(RuntimeError, match=r"\w+ \w+ \w+"):
        subject.release()
    assert subject.held()
    puppet.run(subject.release)
    assert subject.idle()


def test_lock_of_a_thread_that_ended_stays_held(subject: Subject) -> None:
    """A later thread may get the identifiers of the one that ended, but not its locks."""
    exercise(subject.acquire)

    def release() -> None:
        with pytest.raises(RuntimeError):
            subject.release()

    for _ in range(20):
        exercise(release)
    assert subject.held()


# --- as an object ---------------------------------------------------------------------------------------------------


def test_with(subject: Subject) -> None:
    if not subject.adapter.managed:
        assert not hasattr(subject.target, "__enter__"), "which side would it take?"
        return
    with subject.target as entered:
        assert entered is subject.target
        assert subject.held()
    assert subject.idle()
    with pytest.raises(ZeroDivisionError), subject.target:
        1 / 0
    assert subject.idle()
    with subject.target:  # it can be used again
        assert subject.held()


def test_with_after_an_early_release(subject: Subject) -> None:
    if not subject.adapter.managed:
        return
    with pytest.raises(RuntimeError), subject.target:
        subject.release()
    assert subject.idle()


def test_weak_references(row: Any) -> None:
    cls, arguments = row
    target = cls(*arguments())
    reference = weakref.ref(target)
    assert reference() is target
    del target
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling(row: Any, protocol: int) -> None:
    cls, arguments = row
    with pytest.raises(TypeError):
        pickle.dumps(cls(*arguments()), protocol)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_copying(row: Any, duplicate: Callable[[Any], Any]) -> None:
    cls, arguments = row
    with pytest.raises(TypeError):
        duplicate(cls(*arguments()))


def test_identity_is_equality(row: Any) -> None:
    cls, arguments = row
    target, other = cls(*arguments()), cls(*arguments())
    assert target == target and target != other
    assert len({target, other}) == 2


def test_attributes_are_read_only(row: Any) -> None:
    cls, arguments = row
    target = cls(*arguments())
    for name in {"interval", "lock"} & set(dir(cls)) - set(public_methods(cls)):
        with pytest.raises(AttributeError):
            setattr(target, name, getattr(target, name))


def public_methods(cls: type) -> list[str]:
    return [name for name in dir(cls) if not name.startswith("_") and callable(getattr(cls, name))]


def test_docstrings(row: Any) -> None:
    """The class and every method say what they do, those with a timeout in which unit, and how they fail."""
    cls, _ = row
    assert "RuntimeError" in "".join(getattr(cls, n).__doc__ for n in public_methods(cls))
    assert cls.__doc__
    for name in public_methods(cls):
        text = getattr(cls, name).__doc__
        assert text, f"{cls.__name__}.{name} has no docstring"
        if name.startswith("acquire"):
            assert "second" in text, f"{cls.__name__}.{name} does not tell the unit of its timeout"
        if name.startswith(("acquire", "release", "lock_", "unlock", "cede", "poll", "downgrade")):
            told = "RuntimeError" in text or "the same as" in text
            assert told, f"{cls.__name__}.{name} does not tell its error"


# --- subclasses and garbage -----------------------------------------------------------------------------------------


def subclass_of(cls: type) -> type:
    class Sub(cls):  # type: ignore[misc, valid-type]
        def __init__(self, *args: Any, label: str = "none") -> None:
            super().__init__(*args)
            self.label = label

        def __repr__(self) -> str:
            return f"{self.label}: {super().__repr__()}"

    return Sub


def test_subclasses(row: Any) -> None:
    cls, arguments = row
    target = subclass_of(cls)(*arguments(), label="mine")
    assert target.label == "mine"
    assert repr(target).startswith("mine: <")
    target.other = 1
    assert isinstance(target, cls)


def test_instances_have_no_stray_attributes(row: Any) -> None:
    cls, arguments = row
    with pytest.raises(AttributeError):
        cls(*arguments()).no_such_attribute
    with pytest.raises(AttributeError):
        cls(*arguments()).no_such_attribute = 1


def test_cycles_are_collected(row: Any) -> None:
    cls, arguments = row
    target = subclass_of(cls)(*arguments())
    target.itself = target
    target.method = target.__repr__
    reference = weakref.ref(target)
    del target
    gc.collect()
    assert reference() is None


def test_held_locks_are_collected(subject: Subject) -> None:
    adapter = subject.adapter
    fresh = Subject(adapter)
    fresh.acquire()
    reference = weakref.ref(fresh.lock)
    del fresh
    gc.collect()
    assert reference() is None
    # What lies at its address now is another lock, which nobody holds.
    for _ in range(100):
        assert Subject(adapter).idle()


def waiting_none(subject: Subject) -> None:
    assert not waiters(subject.lock)
