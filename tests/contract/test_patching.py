"""What programs do to the classes that threading has in Python: attributes, patched methods, subclasses, re-use."""

import gc
import weakref
from types import ModuleType
from typing import Any
from unittest import mock

import pytest

import ft_utils.synchronization as ours

from ..support.family import make, ours_alike
from ..support.process import run_isolated
from ..support.threads import LIMIT, Puppet, exercise, until

PATCHABLE = ["Semaphore", "BoundedSemaphore", "Event", "Condition", "Barrier"]


@pytest.fixture(params=PATCHABLE)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


# --- attributes of an instance --------------------------------------------------------------------------------------


def test_attributes(module: ModuleType, name: str) -> None:
    target = make(module, name)
    with pytest.raises(AttributeError):
        target.no_such_attribute
    target.note = "here"
    target.__dict__["other"] = "there"
    assert (target.note, target.other) == ("here", "there")
    assert {"note", "other"} <= set(vars(target)) and {"note", "other"} <= set(dir(target))
    del target.note
    with pytest.raises(AttributeError):
        target.note
    target.__dict__ = {**target.__dict__, "new": 1}
    assert target.new == 1 and target.other == "there"
    with pytest.raises(TypeError):
        target.__dict__ = 1
    assert not hasattr(make(module, name), "new")


def test_no_dict_until_it_is_asked_for(name: str) -> None:
    """Nothing is paid for it before."""
    target = ours_alike(name)
    repr(target)
    assert not any(isinstance(each, dict) for each in gc.get_referents(target))
    assert vars(target) == {}


def test_cycles_through_an_attribute(module: ModuleType, name: str) -> None:
    class Held:
        pass

    target, held = make(module, name), Held()
    target.itself, target.held, held.target = target, held, target
    references = weakref.ref(target), weakref.ref(held)
    del target, held
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_cycle_through_the_condition_of_an_event(module: ModuleType) -> None:
    event = module.Event()
    event._cond.event = event
    reference = weakref.ref(event)
    del event
    gc.collect()
    assert reference() is None


def test_attributes_go_with_the_object(name: str) -> None:
    class Held:
        pass

    target, held = ours_alike(name), Held()
    target.held = held
    reference = weakref.ref(held)
    del held
    assert reference() is not None
    del target
    gc.collect()
    assert reference() is None


def test_long_chains_are_freed(name: str) -> None:
    """One inside the other, deeper than the stack."""
    target = None
    for _ in range(200_000):
        target, before = ours_alike(name), target
        target.before = before
    del target, before
    gc.collect()


def test_conditions_in_conditions_are_freed() -> None:
    target = ours.Condition()
    for _ in range(500_000):
        target = ours.Condition(target)
    del target
    gc.collect()


def test_attributes_set_by_several_threads(name: str) -> None:
    target = ours_alike(name)

    def write(mine: int) -> None:
        for number in range(500):
            setattr(target, f"of_{mine}", number)
            assert getattr(target, f"of_{mine}") == number

    exercise(*(lambda mine=mine: write(mine) for mine in range(4)))
    assert vars(target) == {f"of_{mine}": 499 for mine in range(4)}


ONLY_READ = {
    "Semaphore": ["_value"],
    "BoundedSemaphore": ["_value", "_initial_value"],
    "Event": ["_cond"],
    "Condition": ["_lock", "_waiters"],
    "Barrier": ["_parties", "_count", "_state", "_action", "_timeout"],
}


def test_private_names_that_are_only_read(name: str) -> None:
    """As the reference says, where threading lets a program write them. An assignment is never lost in silence."""
    target = ours_alike(name)
    for attribute in ONLY_READ[name]:
        getattr(target, attribute)
        with pytest.raises(AttributeError, match=attribute):
            setattr(target, attribute, 1)
        with pytest.raises(AttributeError, match=attribute):
            delattr(target, attribute)
    if name == "Event":
        target._flag = True
        with pytest.raises(AttributeError, match="flag"):
            del target._flag
        assert target.is_set()


def test_two_of_them_are_no_bases_of_one_class(name: str) -> None:
    for other in PATCHABLE:
        if not issubclass(getattr(ours, name), getattr(ours, other)) and {name, other} != {
            "Semaphore",
            "BoundedSemaphore",
        }:
            with pytest.raises(TypeError, match="lay-out conflict"):
                type("Both", (getattr(ours, name), getattr(ours, other)), {})


# --- patched methods ------------------------------------------------------------------------------------------------


def holding(condition: Any, call: Any) -> Any:
    with condition:
        return call(condition)


# Where a method of threading's calls another by its name: the class, what calls, the method that is called, how.
CALLS: list[tuple[str, str, Any, Any]] = [
    ("Semaphore", "release", lambda semaphore: semaphore.__exit__(None, None, None), ()),
    ("BoundedSemaphore", "release", lambda semaphore: semaphore.__exit__(None, None, None), ()),
    ("Event", "is_set", lambda event: event.isSet(), ()),
    ("Condition", "notify", lambda condition: holding(condition, lambda it: it.notify_all()), (0,)),
    ("Condition", "notify_all", lambda condition: holding(condition, lambda it: it.notifyAll()), ()),
    ("Condition", "wait", lambda condition: holding(condition, lambda it: it.wait_for(answers())), (None,)),
    ("Condition", "wait", lambda condition: holding(condition, lambda it: it.wait_for(answers(), 5)), (5,)),
]
IDS = [f"{row[0]}-{row[1]}-{number}" for number, row in enumerate(CALLS)]


def answers() -> Any:
    return iter([False, True]).__next__


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("name", "called", "call", "args"), CALLS, ids=IDS)
@pytest.mark.parametrize("how", ["instance", "subclass", "subclass that calls ours"])
def test_replaced_method_is_called(
    module: ModuleType, name: str, called: str, call: Any, args: tuple[Any, ...], how: str
) -> None:
    seen: list[tuple[Any, ...]] = []

    def record(*args: Any) -> Any:
        seen.append(args)

    cls = getattr(module, name)
    if how == "instance":
        target = cls()
        setattr(target, called, record)
    else:
        through = how == "subclass that calls ours" and called != "wait"

        def method(self: Any, *args: Any) -> Any:
            record(*args)
            return getattr(cls, called)(self, *args) if through else None

        target = type("Sub", (cls,), {called: method})()
        if name == "BoundedSemaphore" and through:
            target.acquire()
    call(target)
    assert seen == [args]


@pytest.mark.parametrize("how", ["attribute", "subclass"])
def test_what_is_not_replaced_works_as_before(module: ModuleType, how: str) -> None:
    """An object with attributes, or of a subclass, that has all methods of ours."""

    def new(name: str) -> Any:
        cls = getattr(module, name)
        if how == "subclass":
            return type("Sub", (cls,), {})()
        target = cls()
        target.attribute = 1
        return target

    for name in ("Semaphore", "BoundedSemaphore"):
        semaphore = new(name)
        with semaphore:
            assert semaphore.acquire(blocking=False) is False
        assert semaphore.acquire(blocking=False) is True
    condition = new("Condition")
    with condition:
        condition.notify_all()
        assert condition.wait_for(answers(), 0.001) is True
        assert condition.wait_for(lambda: False, 0.001) is False
    with Puppet() as puppet:
        given: list[int] = []

        def wait() -> Any:
            with condition:
                return condition.wait_for(lambda: given, LIMIT)

        waiting = puppet.start(wait)
        while not waiting.done():
            with condition:
                given.append(1)
                condition.notify_all()
        assert waiting.result(LIMIT)


def test_seconds_left_are_given_to_a_replaced_wait(module: ModuleType) -> None:
    condition, seen, answer = module.Condition(), [], iter([False, False, False, True])
    condition.wait = seen.append
    with condition:
        assert condition.wait_for(lambda: next(answer), 1000) is True
    assert seen[0] == 1000 and 0 < seen[2] < seen[1] < 1000


def test_replaced_wait_that_fails(module: ModuleType) -> None:
    condition = module.Condition()
    condition.wait = mock.Mock(side_effect=ZeroDivisionError)
    with condition, pytest.raises(ZeroDivisionError):
        condition.wait_for(lambda: False)
    condition.wait_for(lambda: True)
    del condition.wait
    with condition:
        assert condition.wait_for(answers(), 0) is True


def test_replaced_release_that_fails(module: ModuleType) -> None:
    semaphore = module.Semaphore(1)
    semaphore.release = mock.Mock(side_effect=ZeroDivisionError)
    with pytest.raises(ZeroDivisionError), semaphore:
        pass
    assert semaphore._value == 0


def test_event_with_a_replaced_set(module: ModuleType) -> None:
    """The recipe of an event that others wait for as well: it calls the method that it replaced."""
    one, either = module.Event(), module.Event()
    original = one.set
    one.set = lambda: (original(), either.set())
    one.set()
    assert one.is_set() and either.is_set()


# --- patched classes ------------------------------------------------------------------------------------------------

PATCHED_CLASS = """
import warnings
from unittest import mock
import {module} as module
warnings.simplefilter("ignore")
before = module.Semaphore(5), module.Condition(), module.Event()
def both(make, old):
    return [make(), old, type("Sub", (type(old),), {{}})()]

with mock.patch.object(module.Semaphore, "release") as release:
    for semaphore in both(module.Semaphore, before[0]):
        with semaphore:
            pass
    assert release.call_count == 3, release.mock_calls
    with module.BoundedSemaphore():  # which has a release() of its own
        pass
    assert release.call_count == 3
with mock.patch.object(module.BoundedSemaphore, "release") as release:
    with module.BoundedSemaphore(), module.Semaphore():
        pass
    assert release.call_count == 1
with mock.patch.object(module.Condition, "notify") as notify, mock.patch.object(module.Condition, "wait") as wait:
    for condition in both(module.Condition, before[1]):
        with condition:
            condition.notify_all()
            condition.wait_for(iter([0, 1]).__next__, 5)
    assert notify.mock_calls == [mock.call(0)] * 3 and wait.mock_calls == [mock.call(5)] * 3
with mock.patch.object(module.Event, "is_set", return_value="patched"):
    assert [event.isSet() for event in both(module.Event, before[2])] == ["patched"] * 3
with mock.patch.object(module.Event, "wait", return_value="patched"):
    assert [event.wait() for event in both(module.Event, before[2])] == ["patched"] * 3
module.Barrier.extra = property(lambda self: self.parties + 1)
assert module.Barrier(2).extra == 3

for semaphore in both(lambda: module.Semaphore(1), module.Semaphore(1)):
    with semaphore:
        assert not semaphore.acquire(blocking=False)
    assert semaphore.acquire(blocking=False)
with before[1]:
    before[1].notify_all()
    assert before[1].wait_for(iter([0, 1]).__next__, 0) == 1
assert before[2].isSet() is False
print("ok")
"""


def test_classes_can_be_patched(module: ModuleType) -> None:
    """And have their own methods back afterwards. In a process of its own, since classes are everybody's."""
    run_isolated(PATCHED_CLASS.format(module=module.__name__), expect_out="ok")


# How the class Condition makes its objects, replaced.
MAKERS = {
    "an init that does nothing": "Condition.__init__ = lambda self, *args, **kwargs: None",
    "an init that gives another lock": "Condition.__init__ = lambda self, *args: original(self, threading.RLock())",
    "a new that makes something else": "Condition.__new__ = lambda cls, *args, **kwargs: object()",
    "a new that fails": "Condition.__new__ = lambda cls, *args, **kwargs: 1 / 0",
}

EVENT_OVER_CONDITION = """
import threading
from ft_utils.synchronization import Condition, Event, Lock
from support.threads import LIMIT, Puppet, until
original = Condition.__init__
{maker}
event = Event()
condition = event._cond
assert type(condition) is Condition and type(condition._lock) is Lock and event._cond is condition
event.set()
assert event.is_set() and event.wait()
event.clear()
with condition:
    assert condition._is_owned() and not condition.wait(0)
assert not event.wait(0.001)
with Puppet() as puppet:
    waiting = puppet.start(event.wait, LIMIT)
    until(lambda: condition._waiters)
    event.set()
    assert waiting.result(LIMIT)
print("ok")
"""


@pytest.mark.parametrize("maker", MAKERS)
def test_condition_of_an_event_is_made_by_no_replaced_method(maker: str) -> None:
    """The event uses what is in it, so it has to be one of ours, over a Lock of ours."""
    run_isolated(EVENT_OVER_CONDITION.format(maker=MAKERS[maker]), expect_out="ok")


@pytest.mark.parametrize("config", ["isolated", "legacy"])
def test_patched_class_of_one_interpreter(config: str) -> None:
    """Each interpreter has classes of its own."""
    run_isolated(
        f"""
import _interpreters
from ft_utils.synchronization import Event, Semaphore
code = '''
from ft_utils.synchronization import Event, Semaphore
assert not hasattr(Event, "mine")
Event.mine = "theirs"
Event.wait = lambda self, timeout=None: "theirs"
event, seen = Event(), []
event.attribute = event
assert event.wait() == "theirs"
Semaphore.release = lambda self, n=1: seen.append(n)
with Semaphore(2):
    pass
assert seen == [1]
'''
Event.mine = "ours"
for _ in range(3):
    made = _interpreters.create({config!r})
    problem = _interpreters.exec(made, code)
    assert problem is None, problem.formatted
    _interpreters.destroy(made)
semaphore = Semaphore(1)
with semaphore:
    assert semaphore._value == 0
assert semaphore._value == 1 and Event.mine == "ours" and Event().wait(0) is False
print("ok")
""",
        expect_out="ok",
    )


@pytest.mark.parametrize("name", ["Lock", "RLock"])
def test_those_written_in_c_stay_as_they_are(module: ModuleType, name: str) -> None:
    with pytest.raises(TypeError):
        type(make(module, name)).acquire = None


# --- subclasses -----------------------------------------------------------------------------------------------------


def test_subclass_of_an_event_with_a_copy_of_its_methods(module: ModuleType, puppets: Any) -> None:
    """As programs write them that were made from threading's source."""

    class Broadcast(module.Event):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.count = 0

        def set(self) -> None:
            with self._cond:
                self._flag = True
                self.count += 1
                self._cond.notify_all()

        def clear(self) -> None:
            with self._cond:
                self._flag = False

        def wait(self, timeout: float | None = None) -> bool:
            with self._cond:
                return self._flag or self._cond.wait(timeout)

    event = Broadcast()
    assert event.wait(0.001) is False
    waits = [puppet.start(event.wait, LIMIT) for puppet in puppets(3)]
    until(lambda: len(event._cond._waiters) == 3)
    event.set()
    assert [wait.result(LIMIT) for wait in waits] == [True] * 3
    assert event.is_set() and event.count == 1
    event.clear()
    assert not event.is_set()


def test_class_beside_another_with_a_dict(module: ModuleType, name: str) -> None:
    class Plain:
        def __init__(self) -> None:
            self.plain = 1

    class Both(Plain, getattr(module, name)):  # type: ignore[misc]
        def __init__(self) -> None:
            Plain.__init__(self)
            getattr(module, name).__init__(self, *((2,) if name == "Barrier" else ()))

    both = Both()
    both.itself = both
    assert both.plain == 1 and vars(both).keys() >= {"plain", "itself"}
    reference = weakref.ref(both)
    del both
    gc.collect()
    assert reference() is None


def test_slots(module: ModuleType, name: str) -> None:
    class Slotted(getattr(module, name)):  # type: ignore[misc]
        __slots__ = ("slot",)

    target = Slotted(*((2,) if name == "Barrier" else ()))
    target.slot, target.attribute = 1, 2
    assert (target.slot, target.attribute) == (1, 2) and "slot" not in vars(target)


def test_class_assignment(module: ModuleType, name: str) -> None:
    class Sub(getattr(module, name)):  # type: ignore[misc]
        def extra(self) -> str:
            return "extra"

    class Other(getattr(module, name)):  # type: ignore[misc]
        pass

    target = Other(*((2,) if name == "Barrier" else ()))
    target.__class__ = Sub
    assert target.extra() == "extra"
