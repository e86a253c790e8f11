"""Every type of lock as something to wait for, so that one attack is made on all of them.

A new type is one more row in SUBJECTS; where it differs, its row says so.
"""

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from ft_utils import _locks
from ft_utils.synchronization import (
    Barrier,
    BoundedSemaphore,
    BrokenBarrierError,
    Condition,
    Event,
    IntervalLock,
    Lock,
    ReaderWriterLock,
    ResizableSemaphore,
    RLock,
    RWReadContext,
    RWWriteContext,
    Semaphore,
)

from .threads import LIMIT, Puppet, until, waiters

SHORT = 0.002  # a wait in vain


def nothing(_: Any) -> None:
    pass


def itself(target: Any) -> Any:
    return target


class Process:
    """Whether this one waits by polling: set by the tests where the Go library is broken, and in forked children."""

    polls = False

    @classmethod
    def forked(cls) -> None:
        cls.polls = True


os.register_at_fork(after_in_child=Process.forked)


@dataclass(frozen=True)
class Subject:
    """A call that waits until somebody else, the friend, lets it go on."""

    name: str
    make: Callable[[], Any]
    wait: Callable[[Any, float | None], bool]  # with a time-out, None for ever; whether it ended in time
    obstruct: Callable[[Any], Any]  # by the friend, before
    admit: Callable[[Any], Any]  # by the friend: the wait ends
    leave: Callable[[Any], Any]  # by the thread whose wait has ended well
    turn: Callable[[Any], Any]  # what any number of threads do at once; an exception from outside does not hurt it
    attempt: Callable[[Any], bool]  # takes and releases if that can be had at once, by a thread that may hold it
    idle: Callable[[Any], bool] = field(default=lambda target: True)
    queue: Callable[[Any], Any] = itself  # the object that threads are seen to wait for
    hold: Callable[[Any], Any] | None = itself  # what is held in a with block, if it can be held
    rival: Callable[[Any], Any] | None = None  # a turn that keeps the other ones out, where they share
    method: str = "acquire"  # what waits, called without arguments

    def __str__(self) -> str:
        return self.name

    def waiters(self, target: Any) -> list[Any]:
        return waiters(self.queue(target))

    def count(self, target: Any) -> int:
        """How many wait: by the queue, or where there is none, in a process that polls, by what the object shows."""
        if not Process.polls:
            return len(self.waiters(target))
        if isinstance(target, Barrier):
            return target.n_waiting
        if isinstance(target, Condition):
            return _locks.waiting(target)
        shown = re.search(r"waiters=(\d+)", repr(self.queue(target)))
        return int(shown[1]) if shown else 0

    def waited_for(self, target: Any, count: int = 1) -> None:
        """Wait until so many threads wait for it."""
        until(lambda: self.count(target) == count, f"{count} waiting for {target!r}")

    def rested(self, target: Any) -> None:
        """Nobody has it and nobody is in a queue for it."""
        assert self.count(target) == 0, f"left in the queue of {target!r}"
        assert self.idle(target), f"not at rest: {target!r}"

    def usable(self, target: Any, friend: Puppet, rounds: int = 2) -> None:
        """The caller waits for it and is let go on, again and again, and it comes to rest."""
        for _ in range(rounds):
            friend.run(self.obstruct, target)
            helped = friend.start(self.help, target)
            assert self.wait(target, LIMIT), f"the wait for {target!r} was in vain"
            helped.result(LIMIT)
            self.leave(target)
        self.rested(target)

    def help(self, target: Any) -> None:
        self.waited_for(target)
        self.admit(target)

    def turns(self) -> list[Callable[[Any], Any]]:
        """The turns of a few threads that get in each other's way."""
        return [self.turn, self.turn, self.rival or self.turn]

    @contextmanager
    def obstructed(self, target: Any, friend: Puppet) -> Iterator[None]:
        """The friend keeps everybody waiting within the block."""
        friend.run(self.obstruct, target)
        yield
        if self.obstruct is not nothing:
            friend.run(self.admit, target)


# --- locks ----------------------------------------------------------------------------------------------------------


def patience(timeout: float | None) -> float:
    return -1 if timeout is None else timeout


def acquiring(lock: Any, timeout: float | None) -> bool:
    return lock.acquire(timeout=patience(timeout))


def permitted(semaphore: Any, timeout: float | None) -> bool:
    return semaphore.acquire(timeout=timeout)


def acquire(lock: Any) -> None:
    assert lock.acquire(timeout=LIMIT)


def release(lock: Any) -> None:
    lock.release()


def unlocked(lock: Any) -> bool:
    return not lock.locked()


def unheld(rw: ReaderWriterLock) -> bool:
    return rw.readers() == 0 and not rw.writer_locked()


def attempt(lock: Any) -> bool:
    if taken := lock.acquire(blocking=False):
        lock.release()
    return taken


def take_turn(lock: Any) -> None:
    with lock:
        pass


def take_turn_twice(lock: Any) -> None:
    with lock, lock:
        pass


def cede_turn(lock: Any) -> None:
    with lock:
        lock.poll()
        lock.cede()


def lock(name: str, make: Callable[[], Any], turn: Callable[[Any], None] = take_turn, **more: Any) -> Subject:
    rest = {"wait": acquiring, "obstruct": acquire, "admit": release, "leave": release, "idle": unlocked}
    return Subject(name, make, turn=turn, attempt=attempt, **(rest | more))


def full(semaphore: Any) -> bool:
    return semaphore._value == 1


def read_turn(rw: Any) -> None:
    with RWReadContext(rw):
        assert not rw.writer_locked()


def write_turn(rw: Any) -> None:
    with RWWriteContext(rw):
        assert rw.readers() == 0


def attempt_read(rw: Any) -> bool:
    if taken := rw.acquire_read(blocking=False):
        rw.release_read()
    return taken


def attempt_write(rw: Any) -> bool:
    if taken := rw.acquire_write(blocking=False):
        rw.release_write()
    return taken


def take_write(rw: Any) -> None:
    assert rw.acquire_write(timeout=LIMIT)


def take_read(rw: Any) -> None:
    assert rw.acquire_read(timeout=LIMIT)


# The two sides of a ReaderWriterLock: a reader waits for a writer and a writer for a reader.
READ = Subject(
    "ReaderWriterLock.read",
    ReaderWriterLock,
    wait=lambda rw, timeout: rw.acquire_read(timeout=patience(timeout)),
    obstruct=take_write,
    admit=ReaderWriterLock.release_write,
    leave=ReaderWriterLock.release_read,
    turn=read_turn,
    attempt=attempt_read,
    method="acquire_read",
    idle=unheld,
    hold=RWReadContext,
    rival=write_turn,
)
WRITE = Subject(
    "ReaderWriterLock.write",
    ReaderWriterLock,
    wait=lambda rw, timeout: rw.acquire_write(timeout=patience(timeout)),
    obstruct=take_read,
    admit=ReaderWriterLock.release_read,
    leave=ReaderWriterLock.release_write,
    turn=write_turn,
    attempt=attempt_write,
    method="acquire_write",
    idle=unheld,
    hold=RWWriteContext,
)


def of_lock(method: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda context: method(context.lock)


def context(kind: Any, side: Subject) -> Subject:
    return lock(
        kind.__name__,
        lambda: kind(ReaderWriterLock()),
        obstruct=of_lock(side.obstruct),
        admit=of_lock(side.admit),
        idle=of_lock(unheld),
        queue=lambda context: context.lock,
        rival=of_lock(write_turn),
    )


def within(lock: Any) -> Any:
    return lock.within(LIMIT)


def entering(lock: Any, timeout: float | None) -> bool:
    try:
        lock.within(LIMIT if timeout is None else timeout).__enter__()
    except TimeoutError:
        return False
    return True


def timed_turn(lock: Any) -> None:
    with lock.within(LIMIT):
        pass


def timed(subject: Subject) -> Subject:
    """The same, entered with a time-out."""
    return replace(subject, name=f"{subject.name}.within", wait=entering, turn=timed_turn, hold=within)


# --- what is waited for to happen -----------------------------------------------------------------------------------


def ring(event: Event) -> None:
    event.set()
    event.clear()


def bell_turn(event: Event) -> None:
    event.wait(0.0005)
    ring(event)


def look(event: Event) -> bool:
    return event.wait(0)


def waiting_for(condition: Condition, timeout: float | None) -> bool:
    with condition:
        return condition.wait(timeout)


def notify(condition: Condition) -> None:
    with condition:
        condition.notify()


def notify_turn(condition: Condition) -> None:
    with condition:
        condition.notify()
        condition.wait(0.0005)


def condition(name: str, make_lock: Callable[[], Any]) -> Subject:
    return Subject(
        f"Condition over {name}" if name else "Condition",
        lambda: Condition(make_lock()),
        wait=waiting_for,
        obstruct=nothing,
        admit=notify,
        leave=nothing,
        turn=notify_turn,
        attempt=attempt,
        method="wait",
        idle=lambda condition: unlocked(condition._lock),
    )


class Duck:
    """A lock written in Python, of which a condition knows no more than acquire and release."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def acquire(self, *args: Any, **kwargs: Any) -> bool:
        return self._lock.acquire(*args, **kwargs)

    def release(self) -> None:
        self._lock.release()

    def locked(self) -> bool:
        return self._lock.locked()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


def meeting(barrier: Barrier, timeout: float | None) -> bool:
    """Whether the barrier was passed in time; it is whole again if not."""
    try:
        barrier.wait(timeout)
    except BrokenBarrierError:
        barrier.reset()
        return False
    return True


def attempt_meeting(barrier: Barrier) -> bool:
    """A lonely party would break the barrier for those who wait, so this only looks."""
    return barrier.n_waiting > 0 and not barrier.broken


SUBJECTS: list[Subject] = [
    lock("IntervalLock", IntervalLock, cede_turn),
    lock("IntervalLock(0)", lambda: IntervalLock(0), cede_turn),
    READ,
    WRITE,
    context(RWReadContext, READ),
    context(RWWriteContext, WRITE),
    lock("Lock", Lock),
    lock("RLock", RLock, take_turn_twice),
    lock("Semaphore", lambda: Semaphore(1), wait=permitted, idle=full),
    lock("BoundedSemaphore", lambda: BoundedSemaphore(1), wait=permitted, idle=full),
    lock("ResizableSemaphore", lambda: ResizableSemaphore(1), idle=lambda semaphore: semaphore.value == 1),
    Subject(
        "Event",
        Event,
        wait=lambda event, timeout: event.wait(timeout),
        obstruct=nothing,
        admit=Event.set,
        leave=Event.clear,
        turn=bell_turn,
        attempt=look,
        method="wait",
        idle=lambda event: not event.is_set(),
        hold=None,
    ),
    timed(lock("IntervalLock", IntervalLock)),
    timed(lock("RLock", RLock)),
    timed(lock("Semaphore", lambda: Semaphore(1), idle=full)),
    condition("", lambda: None),
    condition("Lock", Lock),
    condition("IntervalLock", IntervalLock),
    condition("RWWriteContext", lambda: RWWriteContext(ReaderWriterLock())),
    Subject(
        "Barrier",
        lambda: Barrier(2),
        wait=meeting,
        obstruct=nothing,
        admit=lambda barrier: barrier.wait(LIMIT),
        leave=nothing,
        turn=lambda barrier: meeting(barrier, 0.001),
        attempt=attempt_meeting,
        method="wait",
        idle=lambda barrier: barrier.n_waiting == 0 and not barrier.broken,
        hold=None,
    ),
]
# Its methods are Python code, in the middle of which anything may run.
FOREIGN = condition("a lock written in Python", Duck)
BY_NAME = {subject.name: subject for subject in [*SUBJECTS, FOREIGN]}
