"""The types as such: signatures, references, copies, subclasses, garbage, docstrings."""

import copy
import gc
import inspect
import pickle
import threading
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import ft_utils.synchronization as ours

from ..support.family import NAMES, make, ours_alike
from ..support.threads import LIMIT, exercise

EMPTY = inspect.Parameter.empty

# From the documentation. The standard library's own do not all say it of themselves.
SIGNATURES: dict[str, dict[str, list[tuple[str, Any]]]] = {
    "Lock": {
        "": [],
        "acquire": [("blocking", True), ("timeout", -1)],
        "release": [],
        "locked": [],
    },
    "RLock": {
        "": [],
        "acquire": [("blocking", True), ("timeout", -1)],
        "release": [],
    },
    "Semaphore": {
        "": [("value", 1)],
        "acquire": [("blocking", True), ("timeout", None)],
        "release": [("n", 1)],
    },
    "BoundedSemaphore": {
        "": [("value", 1)],
        "acquire": [("blocking", True), ("timeout", None)],
        "release": [("n", 1)],
    },
    "Event": {
        "": [],
        "is_set": [],
        "set": [],
        "clear": [],
        "wait": [("timeout", None)],
    },
    "Condition": {
        "": [("lock", None)],
        "wait": [("timeout", None)],
        "wait_for": [("predicate", EMPTY), ("timeout", None)],
        "notify": [("n", 1)],
        "notify_all": [],
    },
    "Barrier": {
        "": [("parties", EMPTY), ("action", None), ("timeout", None)],
        "wait": [("timeout", None)],
        "reset": [],
        "abort": [],
    },
}
METHODS = [(name, method) for name, methods in SIGNATURES.items() for method in methods if method]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def public(target: Any) -> set[str]:
    return {each for each in dir(target) if not each.startswith("_")}


def parameters(function: Any) -> list[tuple[str, Any]]:
    """Without the name, by keyword alone, that our constructors take beyond those of the standard library."""
    signature = inspect.signature(function)
    given = [p for p in signature.parameters.values() if p.name != "name"]
    assert all(p.kind is p.POSITIONAL_OR_KEYWORD for p in given), signature
    return [(p.name, p.default) for p in given]


# --- names and signatures -------------------------------------------------------------------------------------------


def test_everything_public_is_there(name: str) -> None:
    mine, theirs = public(ours_alike(name)), public(make(threading, name))
    assert theirs <= mine
    # What later versions of Python have; more would work here alone, as two things do that threading has no name for:
    # the name of a lock in reports, and the with statement with a time-out.
    assert mine - theirs <= {"locked", "name", "within"}


def test_signatures(module: ModuleType, name: str) -> None:
    for method, expected in SIGNATURES[name].items():
        function = getattr(make(module, name), method) if method else getattr(module, name)
        if module is threading and (name, method) in {("Lock", ""), ("RLock", "")}:
            continue  # a C type without one, and a function of anything
        assert parameters(function) == expected, method


def test_signatures_of_the_class(name: str) -> None:
    """Unbound, as help() shows them."""
    for method, expected in SIGNATURES[name].items():
        if method:
            first, *others = inspect.signature(getattr(getattr(ours, name), method)).parameters.values()
            assert first.name == "self"
            assert [(p.name, p.default) for p in others] == expected


def test_names(name: str) -> None:
    cls = getattr(ours, name)
    assert inspect.isclass(cls)
    assert cls.__name__ == name and cls.__qualname__ == name
    assert cls.__module__ == "ft_utils.synchronization"
    assert name in ours.__all__
    assert type(make(ours, name)) is cls
    assert isinstance(make(ours, name), cls)


def test_error_is_exported() -> None:
    assert "BrokenBarrierError" in ours.__all__


@pytest.mark.parametrize(("name", "method"), METHODS)
def test_docstrings(name: str, method: str) -> None:
    text = getattr(getattr(ours, name), method).__doc__
    assert text, f"{name}.{method} has no docstring"
    if "timeout" in dict(SIGNATURES[name][method]):
        assert "second" in text, "the unit of the timeout is not told"


def test_docstrings_of_classes(name: str) -> None:
    assert getattr(ours, name).__doc__


@pytest.mark.parametrize("name", NAMES)
def test_calls_by_keyword(module: ModuleType, name: str) -> None:
    """Every documented keyword is taken; the defaults mean what they say."""
    target = make(module, name)
    for method, expected in SIGNATURES[name].items():
        if not method or method in {"wait", "wait_for", "notify", "notify_all", "release"}:
            continue  # asked of each in its own suite
        kwargs = {key: value for key, value in expected if value is not EMPTY}
        getattr(target, method)(**kwargs)
        with pytest.raises(TypeError):
            getattr(target, method)(no_such_keyword=1)


# --- references and copies ------------------------------------------------------------------------------------------


def test_weak_references(module: ModuleType, name: str) -> None:
    target = make(module, name)
    reference = weakref.ref(target)
    assert reference() is target
    del target
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling(module: ModuleType, name: str, protocol: int) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(make(module, name), protocol)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_copying(name: str, duplicate: Callable[[Any], Any]) -> None:
    """A copy of a lock would be another lock."""
    with pytest.raises(TypeError):
        duplicate(ours_alike(name))


def test_identity_is_equality(module: ModuleType, name: str) -> None:
    target, other = make(module, name), make(module, name)
    assert target == target and target != other
    assert len({target, other}) == 2
    assert target and other  # true, whatever their state


@pytest.mark.parametrize("name", ["Lock", "RLock"])
def test_no_stray_attributes(module: ModuleType, name: str) -> None:
    """Those that are written in C in the standard library; for the others see test_patching."""
    target = make(module, name)
    with pytest.raises(AttributeError):
        target.no_such_attribute
    with pytest.raises(AttributeError):
        target.no_such_attribute = 1
    assert not hasattr(target, "__dict__")
    with pytest.raises(TypeError):
        type(target).no_such_attribute = 1


# --- subclasses and garbage -----------------------------------------------------------------------------------------


def subclass_of(cls: Any) -> Any:
    class Sub(cls):  # type: ignore[misc]
        def __init__(self, *args: Any, label: str = "none") -> None:
            super().__init__(*args)
            self.label = label

        def __repr__(self) -> str:
            return f"{self.label}: {super().__repr__()}"

    return Sub


def arguments(name: str) -> tuple[Any, ...]:
    return (2,) if name == "Barrier" else ()


def test_subclasses(module: ModuleType, name: str) -> None:
    if module is threading and name in {"Lock", "RLock"}:
        return  # not to be had there
    target = subclass_of(getattr(module, name))(*arguments(name), label="mine")
    assert target.label == "mine"
    assert repr(target).startswith("mine: <")
    target.other = 1
    assert isinstance(target, getattr(module, name))
    reference = weakref.ref(target)
    target.itself = target
    target.method = target.__repr__
    del target
    gc.collect()
    assert reference() is None


def test_subclasses_work(name: str) -> None:
    target = subclass_of(getattr(ours, name))(*arguments(name))
    if hasattr(target, "__enter__"):
        with target as entered:
            assert entered is True
    if name == "Event":
        target.set()
        assert target.wait() is True
    if name == "Barrier":
        assert target.parties == 2 and target.n_waiting == 0


def test_context_managers(module: ModuleType, name: str) -> None:
    managed = name not in {"Event", "Barrier"}
    assert hasattr(make(module, name), "__enter__") is managed
    assert hasattr(make(module, name), "__exit__") is managed


def test_cycle_through_the_action_of_a_barrier(module: ModuleType) -> None:
    class Party:
        def __init__(self) -> None:
            self.barrier = module.Barrier(1, self.act)

        def act(self) -> None:
            pass

    party = Party()
    party.barrier.wait()
    references = weakref.ref(party), weakref.ref(party.barrier)
    del party
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_cycle_through_the_lock_of_a_condition() -> None:
    for cls in (ours.Lock, ours.RLock, ours.IntervalLock):
        lock = subclass_of(cls)()
        lock.condition = ours.Condition(lock)
        with lock.condition:
            pass
        references = weakref.ref(lock), weakref.ref(lock.condition)
        del lock
        gc.collect()
        assert [reference() for reference in references] == [None, None]


def test_what_they_hold_is_seen_by_the_collector() -> None:
    action, lock = lambda: None, ours.Lock()
    assert action in gc.get_referents(ours.Barrier(2, action))
    assert lock in gc.get_referents(ours.Condition(lock))


def test_what_they_held_is_let_go() -> None:
    class Action:
        def __call__(self) -> None:
            pass

    class Lock:
        def acquire(self, *_: Any) -> bool:
            return True

        def release(self) -> None:
            pass

    for cls, make_held, args in ((ours.Barrier, Action, (1,)), (ours.Condition, Lock, ())):
        held = make_held()
        reference, holder = weakref.ref(held), cls(*args, held)
        del held
        assert reference() is not None, "it was not kept alive"
        del holder
        gc.collect()
        assert reference() is None


def test_held_locks_are_collected() -> None:
    """What lies at their address next is another lock, which nobody holds."""
    for name in ("Lock", "RLock"):
        lock = ours_alike(name)
        lock.acquire()
        reference = weakref.ref(lock)
        del lock
        gc.collect()
        assert reference() is None
        for _ in range(100):
            assert not ours_alike(name).locked()


# --- making one twice -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Condition", "Barrier"])
def test_made_by_two_threads_at_once(name: str) -> None:
    """One of the two is told that it is late."""
    cls = getattr(ours, name)
    targets = [cls.__new__(cls) for _ in range(5000)]
    made: list[list[bool]] = []

    def make_all(argument: Any) -> None:
        outcomes = []
        for target in targets:
            try:
                target.__init__(argument)
                outcomes.append(True)
            except RuntimeError:
                outcomes.append(False)
        made.append(outcomes)

    arguments_of = {"Condition": [ours.Lock(), ours.RLock()], "Barrier": [2, 3]}
    exercise(*(lambda argument=argument: make_all(argument) for argument in arguments_of[name]))
    assert all(one != other for one, other in zip(*made, strict=True))


# --- what only ours have --------------------------------------------------------------------------------------------


def test_rlock_says_whether_it_is_locked(puppet: Any) -> None:
    """As Python 3.14 has it."""
    lock = ours.RLock()
    assert lock.locked() is False
    with lock, lock:
        assert lock.locked() is True
        assert puppet.run(lock.locked) is True
    assert lock.locked() is False
    puppet.run(lock.acquire)
    assert lock.locked() is True
    puppet.run(lock.release)
    assert parameters(lock.locked) == []


def test_wrong_kinds_of_numbers() -> None:
    """What the standard library would let through, to fail later or never."""
    for cls in (ours.Semaphore, ours.BoundedSemaphore):
        with pytest.raises(TypeError):
            cls(0).release(1.5)
    semaphore = ours.Semaphore(2**40)
    with pytest.raises((OverflowError, ValueError)):
        semaphore.release(2**70)
    with pytest.raises((OverflowError, ValueError)):
        for _ in range(2**10):  # a few steps lead to any bound that there could be
            semaphore.release(2**54)
    assert semaphore.acquire(blocking=False) is True
    with pytest.raises(TypeError):
        ours.Barrier(1.5)
    with pytest.raises((OverflowError, ValueError)):
        ours.Barrier(2**70)
    assert ours.Barrier(2**31 - 1).parties == 2**31 - 1


def test_interrupt_in_the_arithmetic_of_a_number() -> None:
    """An exception of a signal handler may come in any Python code; only others say that it is no such number."""

    class Interrupted(float):
        def __int__(self) -> int:
            raise KeyboardInterrupt

        def __radd__(self, other: object) -> float:
            raise KeyboardInterrupt

    number = Interrupted(2)
    for call in (ours.Semaphore, ours.Semaphore(1).release, ours.Barrier, ours.Barrier(1).wait):
        with pytest.raises(KeyboardInterrupt):
            call(number)


def test_not_a_number_is_no_timeout() -> None:
    """Where the standard library would compute the time that is left, never come to 0 and never sleep."""
    condition, nan = ours.Condition(), float("nan")
    with condition:
        for call in (
            ours.Barrier(2).wait,
            lambda timeout: ours.Semaphore(0).acquire(timeout=timeout),
            lambda timeout: condition.wait_for(lambda: False, timeout),
        ):
            with pytest.raises(ValueError, match="NaN"):
                call(nan)


def test_longest_timeout(puppets: Any) -> None:
    """threading.TIMEOUT_MAX is no error anywhere."""
    event, semaphore, condition = ours.Event(), ours.Semaphore(0), ours.Condition()
    one, two, three = puppets(3)
    waits = [one.start(event.wait, threading.TIMEOUT_MAX), two.start(semaphore.acquire, True, threading.TIMEOUT_MAX)]

    def wait() -> bool:
        with condition:
            return condition.wait(threading.TIMEOUT_MAX)

    waits.append(three.start(wait))
    event.set()
    semaphore.release()
    while not waits[2].done():
        with condition:
            condition.notify()
    assert [wait.result(LIMIT) for wait in waits] == [True] * 3
