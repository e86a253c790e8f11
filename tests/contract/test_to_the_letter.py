"""Calls with unusual arguments, made of the standard library's objects and of ours: what comes of them is the same.

A row is an object in a state and a call, both in Python's words. Compared are the result, or the type of the
exception, the categories of the warnings, and the state afterwards. No row waits for more than a moment.
"""

import inspect
import math
import re
import threading
import time
import warnings
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from types import ModuleType
from typing import Any

import pytest

import ft_utils.synchronization as ours

from ..support.family import NAMES, make


class Index:
    """A number to index with, and nothing else."""

    def __index__(self) -> int:
        return 1


class Float:
    def __float__(self) -> float:
        return 0.001


class Late(float):
    """A float of another type."""


class Mute:
    """Compares and adds, and cannot be turned into a time."""

    def __gt__(self, other: object) -> bool:
        return True

    def __radd__(self, other: object) -> float:
        return 1.0


WORDS = {**globals(), "inf": math.inf, "nan": math.nan, "yes": lambda: "yes", "no": lambda: 0}

# What to ask of an object to know its state.
STATES = {
    "Lock": "t.locked()",
    "RLock": "t._recursion_count(), t._is_owned()",
    "Semaphore": "t._value",
    "BoundedSemaphore": "t._value, t._initial_value",
    "Event": "t.is_set(), t._flag",
    "Condition": "t._is_owned(), len(t._waiters)",
    "Barrier": "t.broken, t.n_waiting, t._state, t._count",
}

# Seconds, or not. Those that make somebody wait are short, over, or refused.
TIMEOUTS = (
    "None 0 0.0 -0.0 -1 -0.5 -2 1e-9 0.001 1e300 -1e300 inf -inf 2**70 -2**70 10**400 -10**400 True False '1' b'1' '' "
    "[] () {} 1j Decimal('0.001') Decimal(-1) Fraction(1,1000) Fraction(0) Fraction(-1) Index() Float() Late(0.001) "
    "Late(-1) Mute() threading.TIMEOUT_MAX*2 9223372036.854775 object() Exception ..."
).split()
FOR_EVER = {"None", "True", "9223372036.854775"}  # too long to be waited for here
WAITS = [t for t in TIMEOUTS if t not in FOR_EVER]
ODD = ["1", "3", "2.0", "0.5", "1.5", "inf", "nan", "2**70", "Decimal('1.5')", "Fraction(3,2)"]
NUMBERS = (
    "0 1 2 -1 True False 0.0 1.0 2.0 0.5 -0.5 1.5 2.5 inf -inf nan 2**56 2**70 -2**70 10**400 '1' None [] 1j "
    "Decimal(2) Decimal('1.5') Fraction(3,1) Fraction(3,2) Late(2) Index() Float() Mute()"
).split()


Row = tuple[str, str, str]
"""Name of the class, how the object `t` is made from the module `m`, the call."""


def of(name: str, states: list[str], calls: list[str]) -> list[Row]:
    return [(name, state, call) for state in states for call in calls]


def calls_with(pattern: str, arguments: list[str]) -> list[str]:
    return [pattern.replace("?", argument) for argument in arguments]


def rows_of_locks() -> Iterator[list[Row]]:
    for name in ("Lock", "RLock"):
        free, held = f"t = m.{name}()", f"t = m.{name}(); t.acquire()"
        yield of(name, [free, held], ["t.release()", "t.release(1)", "t.__exit__()", "t.__exit__(1, 2, 3, 4)"])
        yield of(name, [free, held], ["t.acquire(False)", "t.__enter__(False)", "t.__enter__(blocking=False)"])
        yield of(name, [free, held], calls_with("t.acquire(True, ?)", ["-2", "1e300", "2**70", "'1'", "inf"]))
        for pattern in ("t.acquire(True, ?)", "t.acquire(?)", "t.acquire(False, ?)"):
            yield of(name, [free], calls_with(pattern, [*TIMEOUTS, "nan"]))
        yield of(name, [free], ["t.acquire(1, 2, 3)", "t.acquire(x=1)", "t.acquire(True, blocking=True)"])
        yield of(name, [free, held], ["t._at_fork_reinit()", "t.__init__()", "m.Condition(t)._is_owned()"])
        yield of(name, [free], [f"bool(m.{name}(1))", f"bool(m.{name}(x=1))", "bool(t)", "t == t", "t < t"])
        yield of(name, [free], ["t.x", "setattr(t, 'x', 1)", "vars(t)", "setattr(type(t), 'x', 1)"])
    free, held = "t = m.Lock()", "t = m.Lock(); t.acquire()"
    yield of("Lock", [free, held], ["t.release_lock()", "t.locked_lock()", "t.locked()", "t.acquire_lock(False)"])
    yield of("Lock", [free], ["t.acquire_lock(True, 1)", "t.acquire_lock(blocking=False, timeout=1)"])
    yield of("Lock", [free], ["t.acquire_lock(timeout='1')", "t.acquire_lock(x=1)", "t.locked_lock(1)"])
    free, twice = "t = m.RLock()", "t = m.RLock(); t.acquire(); t.acquire()"
    yield of("RLock", [free, twice], ["t._release_save()", "t._recursion_count()", "t._is_owned()", "t.acquire(False)"])
    yield of("RLock", [twice], calls_with("t._acquire_restore(?)", ["t._release_save()", "1", "()", "('1', 2)"]))


def rows_of_semaphores() -> Iterator[list[Row]]:
    for name in ("Semaphore", "BoundedSemaphore"):
        one = f"t = m.{name}(1)"
        yield of(name, [one], calls_with(f"m.{name}(?)._value", NUMBERS))
        yield of(name, [f"t = m.{name}({n})" for n in (0, 1, 3)], calls_with("t.release(?)", NUMBERS))
        yield of(name, [f"t = m.{name}({n})" for n in ODD], ["t.acquire(False)", "t.release()", "t.release(2)"])
        yield of(name, [f"t = m.{name}({n})" for n in ODD], ["[t.acquire(False) for _ in range(4)]", "t.acquire()"])
        yield of(name, [one, f"t = m.{name}(0.5)"], calls_with("t.acquire(True, ?)", [*TIMEOUTS, "nan"]))
        yield of(name, [f"t = m.{name}(0)"], calls_with("t.acquire(True, ?)", WAITS))
        yield of(name, [one, f"t = m.{name}(0)"], calls_with("t.acquire(False, ?)", [*TIMEOUTS, "nan"]))
        yield of(name, [one, f"t = m.{name}(0)"], ["t.acquire([], 'x')", "t.acquire('', None)", "t.acquire(0)"])
        yield of(name, [one], ["t.acquire(1, 2, 3)", "t.acquire(x=1)", "t.__enter__(False)", "t.__enter__(True, 'x')"])
        yield of(name, [one], [f"m.{name}(1, 2)", f"m.{name}(x=1)", f"m.{name}(value=3)._value", "t.release(1, 2)"])
        yield of(name, [one], calls_with("t.__init__(?)", ["", "5", "-1", "'x'", "2.5"]))
        yield of(name, [one], ["t.release(n=0)", "t.release(x=1)", "t.__exit__(1, 2, 3)", "setattr(t, 'x', 1)", "t.x"])


def rows_of_events() -> Iterator[list[Row]]:
    unset, is_set = "t = m.Event()", "t = m.Event(); t.set()"
    guarded = "t = m.Event(); t._cond"
    both = [unset, is_set, guarded]
    yield of("Event", both, ["t.isSet()", "t.set()", "t.clear()", "t.is_set()", "t.__init__()"])
    yield of("Event", both, ["m.Event(1)", "m.Event(x=1)", "t.set(1)", "t.wait(0, 0)", "t.wait(x=1)"])
    yield of("Event", both, ["t.wait(timeout=0)", "t._at_fork_reinit()", "setattr(t, 'x', 1)", "t.x"])
    yield of("Event", [unset, guarded], calls_with("t.wait(?)", [*WAITS, "nan"]))
    yield of("Event", [is_set, guarded + "; t.set()"], calls_with("t.wait(?)", [*TIMEOUTS, "nan"]))
    yield of("Event", both, calls_with("setattr(t, '_flag', ?)", ["True", "False"]))
    yield of("Event", both, ["t._cond.acquire(False)", "t._cond._is_owned()", "t._cond.notify()", "t._cond.wait(0)"])


def rows_of_conditions() -> Iterator[list[Row]]:
    free, held = "t = m.Condition()", "t = m.Condition(); t.acquire()"
    plain = "t = m.Condition(m.Lock()); t.acquire()"
    yield of("Condition", [held, plain], calls_with("t.wait(?)", [*WAITS, "nan"]))
    yield of("Condition", [held], calls_with("t.wait_for(no, ?)", WAITS))
    yield of("Condition", [held, free], calls_with("t.wait_for(yes, ?)", [*TIMEOUTS, "nan"]))
    for pattern in ("t.wait(?)", "t.wait_for(no, ?)"):
        yield of("Condition", [free], calls_with(pattern, ["None", "0", "'1'", "inf", "-1"]))
    yield of("Condition", [held], ["t.wait_for()", "t.wait_for(1)", "t.wait_for(1, 'x')", "t.wait_for(no, 0, 0)"])
    yield of("Condition", [held], ["t.wait_for(no, x=1)", "t.wait_for(predicate=yes)", "t.wait(0, 0)", "t.wait(x=0)"])
    yield of("Condition", [free, held], calls_with("t.notify(?)", NUMBERS))
    yield of("Condition", [free, held], ["t.notify_all()", "t.notifyAll()", "t.notify(1, 2)", "t.notify_all(1)"])
    yield of("Condition", [free, held], ["t.release()", "t.release(1)", "t.acquire(False)", "t.acquire(True, 'x')"])
    yield of("Condition", [free, held], ["t.acquire(blocking=False)", "t._at_fork_reinit()", "t._release_save()"])
    yield of("Condition", [free, held], ["t.__enter__()", "t.__enter__(1)", "t.__exit__()", "t.__exit__(1, 2, 3)"])
    yield of("Condition", [free], ["m.Condition(1)", "m.Condition(1, 2)", "m.Condition(None)._lock is None"])
    yield of("Condition", [free], ["m.Condition(lock=m.Lock())._is_owned()", "m.Condition(x=1)", "setattr(t, 'x', 1)"])


def rows_of_barriers() -> Iterator[list[Row]]:
    one, two, broken = "t = m.Barrier(1)", "t = m.Barrier(2)", "t = m.Barrier(2); t.abort()"
    yield of("Barrier", [one, broken], calls_with("t.wait(?)", [*TIMEOUTS, "nan"]))
    yield of("Barrier", [two], calls_with("t.wait(?)", WAITS))
    yield of("Barrier", [f"t = m.Barrier(2, None, {t})" for t in WAITS], ["t.wait()", "t._timeout is None"])
    yield of("Barrier", [one], calls_with("m.Barrier(?).parties", NUMBERS))
    yield of("Barrier", [one], ["m.Barrier()", "m.Barrier(1, 2, 3, 4)", "m.Barrier(x=1)", "setattr(t, 'x', 1)"])
    yield of("Barrier", [one], ["m.Barrier(parties=3, action=no, timeout=1)._action is no"])
    yield of("Barrier", [one, two, broken], ["t.reset()", "t.abort()", "t.parties", "t._parties", "t._action"])
    yield of("Barrier", [one, two, broken], ["t.wait(0, 0)", "t.wait(x=1)", "t.reset(1)", "t.abort(1)"])
    yield of("Barrier", [f"t = m.Barrier(1, {a})" for a in ("yes", "1", "0", "[]", "lambda: 1/0")], ["t.wait()"])
    yield of("Barrier", [two], calls_with("setattr(t, '?', 3)", ["parties", "broken", "n_waiting"]))


SOURCES = [rows_of_locks, rows_of_semaphores, rows_of_events, rows_of_conditions, rows_of_barriers]
ROWS = [row for source in SOURCES for rows in source() for row in rows]

# Where ours refuse what the standard library lets through to go wrong later. Nothing has changed then.
FRACTION = r"(1\.5|2\.5|inf|nan|Decimal\('1\.5'\)|Fraction\(3,2\))"
HUGE = r"(2\*\*56|2\*\*70|10\*\*400)"
REFUSED = [
    (rf"t\.release\({FRACTION}\)", TypeError, "whoever waits is handed whole permits"),
    (rf"m\.Semaphore\([013]\) t\.release\({HUGE}\)", ValueError, "permits are counted up to 2**56 - 1"),
    (rf"m\.Barrier\({FRACTION}\)", TypeError, "arrivals never come to that number: everybody waits for ever"),
    (rf"m\.Barrier\({HUGE}\)", OverflowError, "so many threads never arrive"),
]


def refused(row: Row) -> type[Exception] | None:
    return next((error for pattern, error, _ in REFUSED if re.search(pattern, " ".join(row[1:]))), None)


def perform(module: ModuleType, row: Row) -> tuple[Any, ...]:
    """What comes of a row: the result, the warnings, the state afterwards."""
    name, state, call = row
    words = {**WORDS, "m": module}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(state, words)
        before = shown(eval(STATES[name], words))
        try:
            result = shown(eval(call, words))
        except Exception as error:
            result = type(error)
    after = shown(eval(STATES[name], words))
    return result, [warning.category for warning in caught], after, before == after


def shown(value: Any) -> Any:
    """A value that can be compared; of an object its class is enough."""
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    if value is None or isinstance(value, (bool, str, int, float, Decimal, Fraction)):
        return value
    if isinstance(value, (tuple, list)):
        return [shown(each) for each in value]
    return type(value).__name__


@pytest.mark.parametrize("name", NAMES)
def test_same_outcome(name: str) -> None:
    rows = [row for row in ROWS if row[0] == name and refused(row) is None]
    assert len(rows) > 50
    different = [
        f"{row}\n  standard library: {theirs}\n  ours: {mine}"
        for row in rows
        if (theirs := perform(threading, row)) != (mine := perform(ours, row))
    ]
    assert not different, "\n".join([f"{len(different)} of {len(rows)}", *different])


@pytest.mark.parametrize(("pattern", "error", "reason"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_is_refused(pattern: str, error: type[Exception], reason: str) -> None:
    rows = [row for row in ROWS if re.search(pattern, " ".join(row[1:]))]
    assert rows and reason
    for row in rows:
        result, _, _, unchanged = perform(ours, row)
        assert result is error and unchanged, row


# --- names and signatures -------------------------------------------------------------------------------------------

# Private names of threading's objects that ours do not have.
LEFT_OUT = {
    # A Condition would have to guard every operation, as Event._cond does once it is asked for; nobody asks here.
    "Semaphore": {"_cond"},
    "BoundedSemaphore": {"_cond"},
    # The steps of its wait(), which is another algorithm here.
    "Barrier": {"_cond", "_enter", "_exit", "_release", "_wait", "_break"},
}
# What reports call the lock (it can be set, as any attribute of threading's objects that are written in Python), and
# the with statement with a time-out.
ADDED = {"name", "within"}
# Of every class that is written in Python. The last is set by a try to copy one.
WRITTEN_IN_PYTHON = {"__firstlineno__", "__static_attributes__", "__weakref__", "__slotnames__"}
# A class has them once somebody has looked for annotations, the last two from 3.14 on.
ANNOTATIONS = {"__annotations__", "__annotations_cache__", "__annotate_func__"}


@pytest.mark.parametrize("name", NAMES)
def test_names(name: str) -> None:
    theirs, mine = set(dir(make(threading, name))) - ANNOTATIONS, set(dir(make(ours, name))) - ANNOTATIONS
    assert theirs - mine - WRITTEN_IN_PYTHON == LEFT_OUT.get(name, set())
    assert mine - theirs <= {"locked"} | ADDED, "more than the standard library of this version or the next has"


@pytest.mark.parametrize("name", NAMES)
def test_signatures(name: str) -> None:
    """As they print themselves. The lock under a condition tells the signature of its acquire() and release()."""
    mine, theirs = make(ours, name), make(threading, name)
    own = {"acquire", "release"} if name == "Condition" else set()
    for method in set(dir(theirs)) - set(dir(object)) - LEFT_OUT.get(name, set()) - own - {"__exit__"}:
        if callable(function := getattr(theirs, method)):
            assert inspect.signature(getattr(mine, method)) == inspect.signature(function), method
    if name != "RLock":  # a function of anything there; ours does not offer what is deprecated
        *same, added = inspect.signature(getattr(ours, name)).parameters.values()
        assert same == list(inspect.signature(getattr(threading, name)).parameters.values())
        assert (added.name, added.default, added.kind) == ("name", None, inspect.Parameter.KEYWORD_ONLY)


# --- the time of wait_for -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [threading, ours], ids=lambda module: module.__name__)
@pytest.mark.parametrize("timeout", [0, -1, 1e-9])
def test_wait_for_asks_after_a_wait_even_without_time(module: ModuleType, timeout: float) -> None:
    condition, asked = module.Condition(), []
    with condition:
        condition.wait_for(lambda: asked.append(1), timeout)
    assert len(asked) == 2


@pytest.mark.parametrize("module", [threading, ours], ids=lambda module: module.__name__)
def test_time_of_wait_for_starts_at_the_first_wait(module: ModuleType) -> None:
    """A predicate that takes longer than the timeout does not use it up: there is a wait, after which it is asked."""
    condition, asked = module.Condition(), []

    def predicate() -> bool:
        asked.append(1)
        if len(asked) == 1:
            time.sleep(0.02)  # longer than the timeout, which is what this is about
        return False

    with condition:
        assert condition.wait_for(predicate, 0.01) is False
    assert len(asked) >= 2, "the time was over before the first wait"
