"""Pickling and copying: a lock refuses it, a class below one that says what its state is does not."""

import copy
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

import ft_utils.synchronization as ours

from ..support.family import NAMES
from ..support.threads import LIMIT

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
WAYS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"protocol {p}": lambda target, p=p: pickle.loads(pickle.dumps(target, p)) for p in PROTOCOLS},
}
# What makes one of each type that can be subclassed.
MAKE: dict[str, Callable[[], tuple[Any, ...]]] = {
    **dict.fromkeys(NAMES, tuple),
    "Barrier": lambda: (2,),
    "IntervalLock": tuple,
    "ReaderWriterLock": tuple,
    "RWReadContext": lambda: (ours.ReaderWriterLock(),),
    "RWWriteContext": lambda: (ours.ReaderWriterLock(),),
    "RWUpgradeContext": lambda: (ours.ReaderWriterLock(),),
    "ResizableSemaphore": lambda: (2,),
    "KeyedLock": tuple,
}
CASES = [(ours, name) for name in MAKE] + [(threading, name) for name in NAMES if name != "Lock"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    return WAYS[request.param]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0].__name__.split('.')[-1]}.{case[1]}")
def case(request: pytest.FixtureRequest) -> tuple[ModuleType, str]:
    return request.param


@pytest.fixture
def known(case: tuple[ModuleType, str]) -> Iterator[Callable[[type], type]]:
    """Gives a class a name that pickle finds, while the test runs."""
    here, names = sys.modules[__name__], []

    def know(cls: type) -> type:
        cls.__qualname__ = cls.__name__ = f"{cls.__name__}{len(names)}Of{case[1]}"
        cls.__module__ = __name__
        setattr(here, cls.__name__, cls)
        names.append(cls.__name__)
        return cls

    yield know
    for name in names:
        delattr(here, name)


def base_of(case: tuple[ModuleType, str]) -> Any:
    module, name = case
    cls = getattr(module, name)
    return cls if isinstance(cls, type) else type(cls())  # threading.RLock is a function


def works(name: str, target: Any) -> None:
    """It is as good as one that was never copied."""
    if name == "Event":
        assert not target.wait(0)
        target.set()
        assert target.wait(LIMIT)
    elif name == "Barrier":
        assert (target.parties, target.n_waiting, target.broken) == (2, 0, False)
    elif name == "ReaderWriterLock":
        with target.reading():
            assert target.readers() == 1
    elif name == "KeyedLock":
        with target("key"):
            assert target.locked("key")
    else:
        assert target.acquire()
        target.release()


def test_a_class_that_says_its_state(
    case: tuple[ModuleType, str], known: Callable[[type], type], way: Callable[[Any], Any]
) -> None:
    """As programs have them below threading's classes."""
    if case == (threading, "RLock") and way in (WAYS["protocol 0"], WAYS["protocol 1"]):
        return  # a type in C: the standard library can do this from protocol 2 on
    arguments = MAKE[case[1]]

    class Sub(base_of(case)):  # type: ignore[misc]
        def __init__(self, url: str) -> None:
            super().__init__(*arguments())
            self.url = url

        def __getstate__(self) -> dict[str, str]:
            return {"url": self.url}

        def __setstate__(self, state: dict[str, str]) -> None:
            self.__init__(state["url"])  # type: ignore[misc]

    original = known(Sub)("here")  # type: ignore[call-arg]
    other = way(original)
    assert type(other) is Sub and other is not original and other.url == "here"
    works(case[1], other)
    works(case[1], original)


def test_a_class_that_says_how_it_is_made(
    case: tuple[ModuleType, str], known: Callable[[type], type], way: Callable[[Any], Any]
) -> None:
    arguments = MAKE[case[1]]

    class Sub(base_of(case)):  # type: ignore[misc]
        def __reduce__(self) -> Any:
            return type(self), arguments_again()

    def arguments_again() -> tuple[Any, ...]:
        given = arguments()
        return () if given and not isinstance(given[0], int) else given

    if arguments_again() == arguments():
        works(case[1], way(known(Sub)(*arguments())))


def test_a_class_with_arguments_of_its_new(case: tuple[ModuleType, str], known: Callable[[type], type]) -> None:
    arguments = MAKE[case[1]]

    class Sub(base_of(case)):  # type: ignore[misc]
        def __new__(cls, url: str) -> Any:
            self = super().__new__(cls)
            self.url = url
            return self

        def __init__(self, url: str) -> None:
            super().__init__(*arguments())

        def __getnewargs__(self) -> tuple[str]:
            return (self.url,)

        def __getstate__(self) -> None:
            return None

    original = known(Sub)("here")  # type: ignore[call-arg]
    for protocol in PROTOCOLS[2:]:
        assert pickle.loads(pickle.dumps(original, protocol)).url == "here"


def test_a_class_that_says_nothing(case: tuple[ModuleType, str], known: Callable[[type], type]) -> None:
    class Sub(base_of(case)):  # type: ignore[misc]
        def __setstate__(self, state: Any) -> None:
            """It is never asked: there is no state."""

    target = known(Sub)(*MAKE[case[1]]())
    for protocol in PROTOCOLS:
        with pytest.raises(TypeError):
            pickle.dumps(target, protocol)
    if case[0] is ours:
        for duplicate in (copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match=r"cannot pickle or copy '.*' object: a lock belongs to its process"):
                duplicate(target)


def test_what_the_state_raises(case: tuple[ModuleType, str], known: Callable[[type], type]) -> None:
    class Sub(base_of(case)):  # type: ignore[misc]
        def __getstate__(self) -> Any:
            raise ZeroDivisionError

    target = known(Sub)(*MAKE[case[1]]())
    for call in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(ZeroDivisionError):
            call(target)
    works(case[1], target)


def test_a_state_that_uses_the_lock(known: Callable[[type], type], case: tuple[ModuleType, str]) -> None:
    """And looks at the state that every object has, which is the same as without a lock below it."""
    module, name = case
    if module is threading or name == "ReaderWriterLock" or not hasattr(base_of(case), "__enter__"):
        return
    arguments = MAKE[name]

    class Sub(base_of(case)):  # type: ignore[misc]
        def __getstate__(self) -> Any:
            with self:
                return super().__getstate__()

    target = known(Sub)(*arguments())
    target.url = "here"  # type: ignore[attr-defined]
    assert copy.copy(target).url == "here"


@pytest.mark.parametrize("name", MAKE)
def test_a_copy_that_was_never_made(name: str, known: Callable[[type], type], case: tuple[ModuleType, str]) -> None:
    """Its __setstate__ forgets __init__: it works, or says what is missing."""
    if case != (ours, name):
        return

    class Sub(base_of(case)):  # type: ignore[misc]
        def __getstate__(self) -> dict[str, str]:
            return {"url": "here"}

        def __setstate__(self, state: dict[str, str]) -> None:
            self.__dict__.update(state)

    target = copy.copy(known(Sub)(*MAKE[name]()))
    assert target.url == "here" and repr(target)  # type: ignore[attr-defined]
    now = {"timeout": 0}
    methods = {"acquire": {"blocking": False}, "release": {}, "wait": now, "set": {}, "within": now}
    for method, kwargs in methods.items():
        try:
            getattr(target, method, int)(**kwargs)
        except (RuntimeError, ValueError, TypeError) as error:
            assert str(error)


def test_protocols_that_are_none() -> None:
    with pytest.raises(TypeError, match="cannot pickle or copy"):
        ours.Lock().__reduce_ex__(4)
    for cls in (ours.Lock, ours.Event):
        with pytest.raises(TypeError):
            cls().__reduce_ex__("4")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            cls().__reduce__()
