"""What our primitives say of themselves: state, owner, how many wait."""

import re
import threading
from typing import Any

import pytest

import ft_utils.synchronization as ours
from ft_utils.synchronization import IntervalLock, ReaderWriterLock, RWWriteContext

from ..support.family import blocked, wait_holding
from ..support.threads import LIMIT, Puppet, waiting


def said(target: Any) -> str:
    """The representation without the address, which is checked here."""
    text = repr(target)
    assert text.endswith(f" at {id(target):#x}>"), text
    return text.removesuffix(f" at {id(target):#x}>") + ">"


def test_lock(puppet: Puppet) -> None:
    lock = ours.Lock()
    assert said(lock) == "<Lock unlocked>"
    lock.acquire()
    assert said(lock) == f"<Lock locked owner={threading.get_ident()} waiters=0>"
    assert puppet.run(said, lock) == said(lock)
    waiter = puppet.start(lock.acquire)
    waiting(lock)
    assert said(lock) == f"<Lock locked owner={threading.get_ident()} waiters=1>"
    lock.release()
    waiter.result(LIMIT)
    assert said(lock) == f"<Lock locked owner={puppet.ident} waiters=0>"
    lock.release()
    assert said(lock) == "<Lock unlocked>"


def test_rlock(puppet: Puppet) -> None:
    lock = ours.RLock()
    assert said(lock) == "<RLock unlocked>"
    lock.acquire()
    assert said(lock) == f"<RLock locked owner={threading.get_ident()} count=1 waiters=0>"
    lock.acquire()
    assert puppet.run(said, lock) == f"<RLock locked owner={threading.get_ident()} count=2 waiters=0>"
    waiter = puppet.start(lock.acquire)
    waiting(lock)
    assert said(lock) == f"<RLock locked owner={threading.get_ident()} count=2 waiters=1>"
    lock.release()
    lock.release()
    waiter.result(LIMIT)
    assert said(lock) == f"<RLock locked owner={puppet.ident} count=1 waiters=0>"
    puppet.run(lock.release)
    assert said(lock) == "<RLock unlocked>"


def test_semaphore(puppet: Puppet) -> None:
    semaphore = ours.Semaphore(3)
    assert said(semaphore) == "<Semaphore value=3 waiters=0>"
    for left in (2, 1, 0):
        semaphore.acquire()
        assert said(semaphore) == f"<Semaphore value={left} waiters=0>"
    waiter = puppet.start(semaphore.acquire)
    waiting(semaphore)
    assert said(semaphore) == "<Semaphore value=0 waiters=1>"
    semaphore.release(10)
    waiter.result(LIMIT)
    assert said(semaphore) == "<Semaphore value=9 waiters=0>"


def test_bounded_semaphore(puppet: Puppet) -> None:
    semaphore = ours.BoundedSemaphore(3)
    assert said(semaphore) == "<BoundedSemaphore value=3/3 waiters=0>"
    for left in (2, 1, 0):
        semaphore.acquire()
        assert said(semaphore) == f"<BoundedSemaphore value={left}/3 waiters=0>"
    waiter = puppet.start(semaphore.acquire)
    waiting(semaphore)
    assert said(semaphore) == "<BoundedSemaphore value=0/3 waiters=1>"
    semaphore.release(2)
    waiter.result(LIMIT)
    assert said(semaphore) == "<BoundedSemaphore value=1/3 waiters=0>"
    with pytest.raises(ValueError):
        semaphore.release(3)
    assert said(semaphore) == "<BoundedSemaphore value=1/3 waiters=0>"


def test_event(puppets: Any) -> None:
    event = ours.Event()
    assert said(event) == "<Event unset waiters=0>"
    waits = []
    for count, puppet in enumerate(puppets(2), start=1):
        waits.append(puppet.start(event.wait))
        waiting(event, count)
        assert said(event) == f"<Event unset waiters={count}>"
    event.set()
    assert said(event) == "<Event set>"
    for wait in waits:
        wait.result(LIMIT)
    event.clear()
    assert said(event) == "<Event unset waiters=0>"


@pytest.mark.parametrize(
    "make",
    [ours.Lock, ours.RLock, IntervalLock, threading.Lock, lambda: RWWriteContext(ReaderWriterLock())],
    ids=["Lock", "RLock", "IntervalLock", "threading.Lock", "RWWriteContext"],
)
def test_condition(make: Any, puppets: Any) -> None:
    lock = make()
    condition = ours.Condition(lock)
    assert said(condition) == f"<Condition of {lock!r} waiters=0>"
    waits = []
    for count, puppet in enumerate(puppets(2), start=1):
        waits.append(puppet.start(wait_holding, condition))
        blocked(condition, count)
        assert said(condition) == f"<Condition of {lock!r} waiters={count}>"
    with condition:
        assert said(condition) == f"<Condition of {lock!r} waiters=2>"
        condition.notify_all()
        assert said(condition) == f"<Condition of {lock!r} waiters=0>"
    for wait in waits:
        wait.result(LIMIT)


def test_condition_without_a_lock_given() -> None:
    with (condition := ours.Condition()):
        lock = r"<RLock locked owner=\d+ count=1 waiters=0 at 0x\w+>"
        assert re.fullmatch(rf"<Condition of {lock} waiters=0>", said(condition))
    assert re.fullmatch(r"<Condition of <RLock unlocked at 0x\w+> waiters=0>", said(condition))


def test_barrier(puppets: Any) -> None:
    barrier = ours.Barrier(4)
    assert said(barrier) == "<Barrier waiting=0/4>"
    waits = []
    for count, puppet in enumerate(puppets(3), start=1):
        waits.append(puppet.start(barrier.wait))
        waiting(barrier, count)
        assert said(barrier) == f"<Barrier waiting={count}/4>"
    barrier.wait()
    assert said(barrier) == "<Barrier waiting=0/4>"
    for wait in waits:
        wait.result(LIMIT)
    barrier.abort()
    assert said(barrier).startswith("<Barrier broken")
    barrier.reset()
    assert said(barrier) == "<Barrier waiting=0/4>"


@pytest.mark.parametrize("name", ["Lock", "RLock", "Semaphore", "BoundedSemaphore", "Event", "Condition", "Barrier"])
def test_subclass_has_its_own_name(name: str) -> None:
    cls = type("Mine", (getattr(ours, name),), {})
    target = cls(2) if name == "Barrier" else cls()
    assert said(target).startswith("<Mine ")


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
    try:
        assert "Condition of" in repr(lock)
    except RecursionError:
        pass
