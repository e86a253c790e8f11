"""Operations of which one allocation fails, the first, then the second, and so on. Run in child processes of the tests.

_testcapi fails those that go through Python's allocators. What goes to the C library: nomemory_raw.py.
"""

import itertools
import json
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import nullcontext
from typing import Any

from ft_utils import _report
from ft_utils.synchronization import BrokenBarrierError, Condition, Event, Lock, snapshot, stats

from .blocking import Handler
from .subjects import BY_NAME, SUBJECTS, Subject
from .threads import LIMIT, Puppet, contend, fulfil

try:
    import _testcapi
except ImportError:
    _testcapi = None

# An import that runs out of memory crashes CPython itself, so all that is imported late is imported here.
LATE = (json, _report, stats)

# So many successes in a row say that the allocation that would fail does not come any more.
ENOUGH = 12
MOST = 1000
MOMENT = 0.0005  # a wait in vain

Call = Callable[..., Any]


def starved(number: int, function: Call, *args: Any, **kwargs: Any) -> bool:
    """Call the function with its number-th allocation failing; whether it failed for that. Other errors go on.

    It should be C code: an exception that leaves a frame of Python code needs memory itself, and CPython may lose it.
    """
    _testcapi.set_nomemory(number, number + 1)
    try:
        function(*args, **kwargs)
    except MemoryError:
        return True
    except BrokenBarrierError:
        return False
    finally:
        _testcapi.remove_mem_hooks()
    return False


def sweep(attempt: Callable[[int], bool]) -> int:
    """Make attempts that starve of one allocation after the other, until none does; how many did."""
    failed = successes = 0
    for number in itertools.count():
        assert number < MOST, "the allocations do not end"
        if attempt(number):
            failed, successes = failed + 1, 0
        elif (successes := successes + 1) == ENOUGH:
            break
    return failed


def each_fails(function: Call, *args: Any, **kwargs: Any) -> None:
    """Each allocation of the call may fail, and there is one at least."""
    assert sweep(lambda number: starved(number, function, *args, **kwargs)) > 0, function


# --- what nobody waits for ------------------------------------------------------------------------------------------


def construction() -> None:
    for subject in SUBJECTS:
        if not subject.name.startswith("Condition over"):
            each_fails(subject.make)


def construction_over_a_lock() -> None:
    each_fails(Condition, Lock())


def reprs() -> None:
    """Of what is free, of what is held, and of what is waited for."""
    with Puppet("friend") as friend, Puppet("waiter") as waiter:
        for subject in SUBJECTS:
            target = subject.make()
            shown = repr(target)
            each_fails(repr, target)
            friend.run(subject.obstruct, target)
            waits = waiter.start(subject.wait, target, LIMIT)
            subject.waited_for(target)
            each_fails(repr, target)
            friend.run(subject.admit, target)
            assert waits.result(LIMIT)
            waiter.run(subject.leave, target)
            assert repr(target) == shown


def reports(report: Call = snapshot) -> None:
    """With something to report."""
    contend()
    subject = BY_NAME["IntervalLock"]
    target = subject.make()
    with Puppet("friend") as friend, Puppet("waiter") as waiter, subject.obstructed(target, friend):
        waits = waiter.start(subject.wait, target, LIMIT)
        subject.waited_for(target)
        report()
        each_fails(report)
    assert waits.result(LIMIT)


# --- waits ----------------------------------------------------------------------------------------------------------


def wait_starved(subject: Subject, target: Any, number: int) -> bool:
    """A wait in vain. Who waits for a condition holds its lock afterwards, whatever came of it."""
    method = getattr(target, subject.method)
    with target if isinstance(target, Condition) else nullcontext():
        if subject.name == "Barrier":
            failed = starved(number, method, MOMENT)
            target.reset()
        else:
            failed = starved(number, method, timeout=MOMENT)
    assert subject.count(target) == 0, f"left in the queue: {target!r}"
    return failed


def waits_in_vain(subject: Subject) -> None:
    """By threads that wait for the first time, and by one that has waited before."""
    target = subject.make()
    with Puppet("friend") as friend:
        with subject.obstructed(target, friend):
            assert sweep(lambda number: on_a_new_thread(wait_starved, subject, target, number)) > 0, subject
            sweep(lambda number: wait_starved(subject, target, number))
        subject.rested(target)
        subject.usable(target, friend)


def on_a_new_thread(function: Call, *args: Any) -> Any:
    """A call by a new thread, while this one sleeps in a lock of the standard library's and needs no memory."""
    begin, end, future = threading.Lock(), threading.Lock(), Future[Any]()
    begin.acquire(), end.acquire()

    def run() -> None:
        begin.acquire()
        try:
            fulfil(future, function, *args)
        finally:
            end.release()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    let_go, sleep = begin.release, end.acquire
    let_go()
    sleep(True, LIMIT)
    thread.join(LIMIT)
    return future.result(0)


class Had:
    """What a call gave, kept without an allocation."""

    __slots__ = ("result",)

    def __init__(self) -> None:
        self.result = False


class Admitter:
    """A thread that lets others go on although it may be the one whose allocation fails.

    It stays in its loop until no more can fail: the code of Python's that ends a thread does not expect that.
    """

    def __init__(self, subject: Subject, target: Any) -> None:
        self.subject = subject
        self.target = target
        self.obstructed, self.over = threading.Event(), threading.Event()
        self.admitted = False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self) -> None:
        self.thread.start()
        assert self.obstructed.wait(LIMIT)

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join(LIMIT)
        assert self.admitted and not self.thread.is_alive()

    def run(self) -> None:
        self.subject.obstruct(self.target)
        self.obstructed.set()
        while not self.over.is_set():
            try:
                # Gives the waiting thread the time to queue; the test holds as well when it has not.
                time.sleep(0.001)
                if not self.admitted:
                    self.subject.admit(self.target)
                    self.admitted = True
            except MemoryError:
                pass


def waits_with_success(subject: Subject, most: int = 12) -> None:
    """Another thread lets it go on meanwhile. What was had can be given back, what was not had is not held.

    The two threads share the count of allocations, so which one fails is left to chance.
    """
    for number in range(most):
        target, had = subject.make(), Had()
        method = getattr(target, subject.method)

        def call(had: Had = had, method: Call = method) -> None:
            had.result = method(timeout=LIMIT)

        with Admitter(subject, target):
            starved(number, call)
        if had.result or isinstance(target, Event):
            subject.leave(target)
        subject.rested(target)
        with Puppet("friend") as friend:
            subject.usable(target, friend, 1)


# --- conditions -----------------------------------------------------------------------------------------------------


def releases(name: str, method: str) -> None:
    """Who gives a lock back has no use for an error: it is free afterwards."""
    subject = BY_NAME[name]
    target = subject.make()
    arguments = (None, None, None) if method == "__exit__" else ()
    with Puppet("friend") as friend:

        def attempt(number: int) -> bool:
            target.acquire()
            failed = starved(number, getattr(target, method), *arguments)
            assert friend.run(subject.attempt, target), f"{method}() left the lock held"
            return failed

        sweep(attempt)


def notifications(name: str) -> None:
    """A notification that does not fail arrives, and one that fails can be repeated."""
    subject = BY_NAME[name]
    target = subject.make()
    woken, over = [0], threading.Event()

    def wait() -> None:
        while not over.is_set():
            try:
                with target:
                    # In vain now and then, for a notification may come before the wait.
                    woken[0] += target.wait(0.01)
            except MemoryError:
                pass

    waiter = threading.Thread(target=wait, daemon=True)
    waiter.start()
    try:
        for notify in (target.notify, target.notify_all):
            for number in range(12):
                before = woken[0]
                with target:
                    starved(number, notify)
                deadline = time.monotonic() + LIMIT
                while woken[0] == before:
                    assert time.monotonic() < deadline, "nobody was notified"
                    with target:
                        notify()
                    time.sleep(0.0005)  # as in until()
    finally:
        over.set()
        waiter.join(LIMIT)
    subject.rested(target)


# --- handlers -------------------------------------------------------------------------------------------------------


def in_a_handler(subject: Subject) -> None:
    """A handler's own wait fails in the middle of another, which goes on."""
    target, other, me = subject.make(), Lock(), threading.get_ident()
    failures: list[bool] = []
    ended = threading.Lock()
    ended.acquire()

    def wait() -> None:
        failures.extend([starved(number, other.acquire, timeout=MOMENT) for number in range(4)])
        ended.release()

    handler = Handler(signal.SIGUSR1, action=wait)
    with Puppet("friend") as friend, Puppet("holder") as holder, Puppet("watcher") as watcher:
        holder.run(other.acquire)
        friend.run(subject.obstruct, target)

        # While the handler runs this thread sleeps and needs no memory, as in on_a_new_thread().
        send, sleep = signal.pthread_kill, ended.acquire

        def watch() -> None:
            try:
                for _ in range(3):
                    subject.waited_for(target)
                    send(me, signal.SIGUSR1), sleep(True, LIMIT)
                subject.waited_for(target)
            finally:
                friend.run(subject.admit, target)

        watched = watcher.start(watch)
        assert subject.wait(target, None)
        watched.result(LIMIT)
        subject.leave(target)
        holder.run(other.release)
    assert handler.count == 3
    if subject.method == "wait":
        assert any(failures), "the handler's wait took no memory"
    subject.rested(target)
