"""What our primitives say of themselves: as threading's do, with the owner and who waits added."""

import re
import threading
from typing import Any

import pytest

import ft_utils.synchronization as ours
from ft_utils.synchronization import IntervalLock, ReaderWriterLock, RWWriteContext

from ..support.family import NAMES, blocked, make, wait_holding
from ..support.threads import LIMIT, Puppet, waiting


def said(target: Any) -> str:
    """The representation without the address, which is checked here."""
    text, address = repr(target), f" at {id(target):#x}"
    assert text.count(address) == 1, text
    return text.replace(address, "")


def test_lock(puppet: Puppet) -> None:
    lock, me = ours.Lock(), threading.get_ident()
    assert said(lock) == "<unlocked ft_utils.synchronization.Lock object>"
    lock.acquire()
    assert said(lock) == f"<locked ft_utils.synchronization.Lock object owner={me} waiters=0>"
    assert puppet.run(said, lock) == said(lock)
    waiter = puppet.start(lock.acquire)
    waiting(lock)
    assert said(lock) == f"<locked ft_utils.synchronization.Lock object owner={me} waiters=1>"
    lock.release()
    waiter.result(LIMIT)
    assert said(lock) == f"<locked ft_utils.synchronization.Lock object owner={puppet.ident} waiters=0>"
    lock.release()
    assert said(lock) == "<unlocked ft_utils.synchronization.Lock object>"


def test_rlock(puppet: Puppet) -> None:
    lock, me = ours.RLock(), threading.get_ident()
    assert said(lock) == "<unlocked ft_utils.synchronization.RLock object owner=0 count=0>"
    lock.acquire()
    assert said(lock) == f"<locked ft_utils.synchronization.RLock object owner={me} count=1 waiters=0>"
    lock.acquire()
    text = f"<locked ft_utils.synchronization.RLock object owner={me} count=2 waiters="
    assert puppet.run(said, lock) == f"{text}0>"
    waiter = puppet.start(lock.acquire)
    waiting(lock)
    assert said(lock) == f"{text}1>"
    lock.release()
    lock.release()
    waiter.result(LIMIT)
    assert said(lock) == f"<locked ft_utils.synchronization.RLock object owner={puppet.ident} count=1 waiters=0>"
    puppet.run(lock.release)
    assert said(lock) == "<unlocked ft_utils.synchronization.RLock object owner=0 count=0>"


def test_lock_of_a_thread_that_ended() -> None:
    lock = ours.Lock()
    with Puppet() as other:
        other.run(lock.acquire)
    assert said(lock) == "<locked ft_utils.synchronization.Lock object owner=ended waiters=0>"


def test_semaphore(puppet: Puppet) -> None:
    semaphore = ours.Semaphore(3)
    assert said(semaphore) == "<synchronization.Semaphore: value=3>"
    for left in (2, 1, 0):
        semaphore.acquire()
        assert said(semaphore) == f"<synchronization.Semaphore: value={left}>"
    waiter = puppet.start(semaphore.acquire)
    waiting(semaphore)
    assert said(semaphore) == "<synchronization.Semaphore waiters=1: value=0>"
    semaphore.release(10)
    waiter.result(LIMIT)
    assert said(semaphore) == "<synchronization.Semaphore: value=9>"


def test_bounded_semaphore(puppet: Puppet) -> None:
    semaphore = ours.BoundedSemaphore(3)
    assert said(semaphore) == "<synchronization.BoundedSemaphore: value=3/3>"
    for left in (2, 1, 0):
        semaphore.acquire()
        assert said(semaphore) == f"<synchronization.BoundedSemaphore: value={left}/3>"
    waiter = puppet.start(semaphore.acquire)
    waiting(semaphore)
    assert said(semaphore) == "<synchronization.BoundedSemaphore waiters=1: value=0/3>"
    semaphore.release(2)
    waiter.result(LIMIT)
    assert said(semaphore) == "<synchronization.BoundedSemaphore: value=1/3>"
    with pytest.raises(ValueError):
        semaphore.release(3)
    assert said(semaphore) == "<synchronization.BoundedSemaphore: value=1/3>"


def test_event(puppets: Any) -> None:
    event = ours.Event()
    assert said(event) == "<synchronization.Event: unset>"
    waits = []
    for count, puppet in enumerate(puppets(2), start=1):
        waits.append(puppet.start(event.wait))
        waiting(event, count)
        assert said(event) == f"<synchronization.Event waiters={count}: unset>"
    event.set()
    assert said(event) == "<synchronization.Event: set>"
    for wait in waits:
        wait.result(LIMIT)
    event.clear()
    assert said(event) == "<synchronization.Event: unset>"


@pytest.mark.parametrize(
    "make",
    [ours.Lock, ours.RLock, IntervalLock, threading.Lock, lambda: RWWriteContext(ReaderWriterLock())],
    ids=["Lock", "RLock", "IntervalLock", "threading.Lock", "RWWriteContext"],
)
def test_condition(make: Any, puppets: Any) -> None:
    """To the letter of threading's, whose own says no address."""
    lock = make()
    condition = ours.Condition(lock)
    assert repr(condition) == f"<Condition({lock!r}, 0)>"
    waits = []
    for count, puppet in enumerate(puppets(2), start=1):
        waits.append(puppet.start(wait_holding, condition))
        blocked(condition, count)
        assert repr(condition) == f"<Condition({lock!r}, {count})>"
    with condition:
        assert repr(condition) == f"<Condition({lock!r}, 2)>"
        condition.notify_all()
        assert repr(condition) == f"<Condition({lock!r}, 0)>"
    for wait in waits:
        wait.result(LIMIT)


def test_condition_without_a_lock_given() -> None:
    rlock = r"ft_utils\.synchronization\.RLock object"
    with (condition := ours.Condition()):
        assert re.fullmatch(
            rf"<Condition\(<locked {rlock} owner=\d+ count=1 waiters=0 at 0x\w+>, 0\)>", repr(condition)
        )
    assert re.fullmatch(rf"<Condition\(<unlocked {rlock} owner=0 count=0 at 0x\w+>, 0\)>", repr(condition))


def test_barrier(puppets: Any) -> None:
    barrier = ours.Barrier(4)
    assert said(barrier) == "<synchronization.Barrier: waiters=0/4>"
    waits = []
    for count, puppet in enumerate(puppets(3), start=1):
        waits.append(puppet.start(barrier.wait))
        waiting(barrier, count)
        assert said(barrier) == f"<synchronization.Barrier: waiters={count}/4>"
    barrier.wait()
    assert said(barrier) == "<synchronization.Barrier: waiters=0/4>"
    for wait in waits:
        wait.result(LIMIT)
    barrier.abort()
    assert said(barrier) == "<synchronization.Barrier: broken>"
    barrier.reset()
    assert said(barrier) == "<synchronization.Barrier: waiters=0/4>"


@pytest.mark.parametrize("name", NAMES)
def test_at_rest_as_in_the_standard_library(name: str) -> None:
    """But for the name of the module, and of the lock inside a condition."""

    def text(module: Any) -> str:
        return re.sub(r"0x\w+", "0x", repr(make(module, name)))

    theirs = text(threading).replace("_thread.lock", "Lock").replace("_thread.RLock", "RLock")
    mine = text(ours).replace("ft_utils.synchronization.", "")
    assert mine.replace("<synchronization.", "<threading.") == theirs


@pytest.mark.parametrize("name", NAMES)
def test_subclass_has_its_own_name(name: str) -> None:
    cls = type("Mine", (getattr(ours, name),), {"__module__": "some.place"})
    target = cls(2) if name == "Barrier" else cls()
    if name in {"Lock", "RLock"}:
        assert repr(target).startswith("<unlocked Mine object ")
    elif name == "Condition":
        assert repr(target).startswith("<Mine(")
    else:
        assert repr(target).startswith("<place.Mine at 0x")
    if name not in {"Lock", "RLock", "Condition"}:
        cls.__module__ = 1
        assert repr(target).startswith("<Mine at 0x"), "the module has no name"


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*NAMES, "IntervalLock", "ReaderWriterLock", "ResizableSemaphore"])
@pytest.mark.parametrize("given", ["accounts", "it's", "\N{SNAKE}", ""])
def test_name_after_the_type(name: str, given: str) -> None:
    """Without one the text is that of the standard library."""
    cls = getattr(ours, name)
    target = cls(2) if name in {"Barrier", "ResizableSemaphore"} else cls()
    before = repr(target)
    target.name = given
    type_name = f"{name} object" if name in {"Lock", "RLock"} else name
    expected = re.sub(rf"\b{type_name}\b", lambda found: f"{found[0]} {given!r}", before, count=1)
    assert expected != before and repr(target) == expected
    target.name = None
    assert repr(target) == before


def test_name_while_held(puppet: Puppet) -> None:
    lock, rlock, interval, rw = ours.Lock(name="a"), ours.RLock(name="b"), IntervalLock(name="c"), ReaderWriterLock()
    rw.name, me = "d", threading.get_ident()
    with lock, rlock, interval, RWWriteContext(rw):
        assert said(lock) == f"<locked ft_utils.synchronization.Lock object 'a' owner={me} waiters=0>"
        assert said(rlock) == f"<locked ft_utils.synchronization.RLock object 'b' owner={me} count=1 waiters=0>"
        assert said(interval) == f"<IntervalLock 'c' locked owner={me} waiters=0>"
        assert said(rw) == f"<ReaderWriterLock 'd' write-locked owner={me} waiters=0>"
    puppet.run(rw.lock_read)
    assert said(rw) == "<ReaderWriterLock 'd' read-locked readers=1 waiters=0>"
    puppet.run(rw.unlock_read)


def test_of_a_lock_whose_own_repr_fails() -> None:
    """The exception comes through; nothing is left behind."""

    class Sub(ours.Lock):  # type: ignore[misc]
        def __repr__(self) -> str:
            raise ZeroDivisionError

    condition = ours.Condition(Sub())
    with pytest.raises(ZeroDivisionError):
        repr(condition)
    with condition:
        condition.notify()


def test_of_a_condition_that_contains_itself() -> None:
    class Sub(ours.Lock):  # type: ignore[misc]
        def __repr__(self) -> str:
            return f"<{self.condition!r}>"

    lock = Sub()
    lock.condition = ours.Condition(lock)
    with pytest.raises(RecursionError):
        repr(lock)
