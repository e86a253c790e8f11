"""Python code that runs in the middle of somebody's wait, and uses locks of every type."""

import contextlib
import functools
import gc
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

from .blocking import Handler
from .subjects import BY_NAME, SHORT, SUBJECTS, Barrier, Condition, Duck, Event, Subject, nothing
from .threads import LIMIT, Puppet, exercise, until


class Intruder:
    """Takes one lock of each type, waits for it, in vain and not, and tries the one that its thread is waiting for.

    It runs where exceptions go nowhere, so it keeps them.
    """

    def __init__(self, friend: Puppet, subject: Subject, target: Any) -> None:
        self.friend = friend
        self.subject = subject
        self.target = target
        self.others = [(other, other.make()) for other in SUBJECTS]
        self.ran = threading.Event()
        self.runs = 0
        self.error: BaseException | None = None

    def __call__(self) -> None:
        try:
            self.intrude()
        except BaseException as error:
            self.error = error
        self.runs += 1
        self.ran.set()

    def intrude(self) -> None:
        if self.subject.obstruct is not nothing:
            assert not self.subject.attempt(self.target), f"taken, though somebody else has it: {self.target!r}"
        for other, made in self.others:
            with other.obstructed(made, self.friend):
                assert not other.wait(made, SHORT), f"the wait should have been in vain: {made!r}"
            other.usable(made, self.friend, 1)

    def check(self) -> None:
        if self.error is not None:
            raise self.error


def signalled(subject: Subject, looks: bool = True, runs: int = 2) -> None:
    """The main thread waits, and the handlers of signals intrude. looks: it is seen waiting again after each."""
    target, me = subject.make(), threading.get_ident()
    with Puppet("friend") as friend, Puppet("helper") as helper, Puppet("watcher") as watcher:
        intruder = Intruder(helper, subject, target)
        Handler(signal.SIGUSR1, action=intruder)
        friend.run(subject.obstruct, target)

        def watch() -> None:
            try:
                subject.waited_for(target)
                for run in range(runs):
                    signal.pthread_kill(me, signal.SIGUSR1)
                    until(lambda run=run: intruder.runs > run, "the handler to end")
                    if looks:
                        subject.waited_for(target)
            finally:
                friend.run(subject.admit, target)

        watched = watcher.start(watch)
        assert subject.wait(target, None)
        watched.result(LIMIT)
        subject.leave(target)
        intruder.check()
        subject.rested(target)
        subject.usable(target, friend)


# --- garbage --------------------------------------------------------------------------------------------------------


class Litter:
    """A cycle that tells when it is collected."""

    def __init__(self, action: Callable[[], None] | None = None) -> None:
        self.itself = self
        self.action = action

    def __del__(self) -> None:
        if self.action is not None:
            self.action()


def drop_litter(how: str, action: Callable[[], None]) -> Any:
    """Leave garbage whose collection runs the action. What is returned has to be kept until then."""
    if how == "finalizer":
        Litter(action)
        return None
    return weakref.ref(Litter(), lambda _: action())


# Python looks whether to collect garbage where a call ends and where a loop goes round. There is neither between the
# making of these lists, which are more than enough for a collection, and the C function: so it is the C function that
# looks. The free-threaded build counts objects by hundreds.
CLUTTERED = compile(f"set_threshold(1, 0); clutter = [{'[], ' * 1200}]; result = call()", "<cluttered>", "exec")


def call_in_clutter(call: Callable[[], Any]) -> Any:
    """Make a call of C code that runs a collection as soon as it looks for one."""
    names = {"set_threshold": gc.set_threshold, "call": call}
    exec(CLUTTERED, names)
    return names["result"]


def collected(subject: Subject, how: str, looks: bool = True) -> None:
    """A thread waits, and runs a garbage collection while it does."""
    target = subject.make()
    with Puppet("friend") as friend, Puppet("helper") as helper, Puppet("waiter") as waiter:
        intruder = Intruder(helper, subject, target)
        within: list[bool] = []

        def action() -> None:
            caller = sys._getframe(1)
            while caller is not None and caller.f_code is not CLUTTERED:
                caller = caller.f_back
            within.append(caller is not None)
            intruder()

        def wait() -> Any:
            gc.collect()  # sets its counts to 0: those of the free-threaded build may be far below
            gc.disable()
            kept = drop_litter(how, action)
            gc.enable()
            with target if isinstance(target, Condition) else contextlib.nullcontext():
                result = call_in_clutter(getattr(target, subject.method))
            del kept
            return result

        friend.run(subject.obstruct, target)
        thresholds = gc.get_threshold()
        gc.set_threshold(1_000_000)
        ended = waiter.start(wait)
        assert intruder.ran.wait(LIMIT), "no collection while it waited"
        gc.set_threshold(*thresholds)
        assert within == [True] and not ended.done()
        if looks:
            subject.waited_for(target)
        friend.run(subject.admit, target)
        assert ended.result(LIMIT) in (True, 0, 1)
        waiter.run(subject.leave, target)
        intruder.check()
        subject.rested(target)
        subject.usable(target, friend)


# --- at any moment --------------------------------------------------------------------------------------------------


class Meddler:
    """Meddles at any moment on any thread, with locks of its own and, if it can be had, the one that all are at."""

    def __init__(self, subject: Subject, target: Any) -> None:
        self.subject = subject
        self.target = target
        self.shared = [(other, other.make()) for other in SUBJECTS]
        self.count = self.events = 0
        self.errors: list[BaseException] = []

    def __call__(self) -> None:
        try:
            other, made = self.shared[self.count % len(self.shared)]
            self.count += 1  # threads may lose each other's counts: it only leads through the list
            self.subject.attempt(self.target)
            other.attempt(made)
            other.turn(other.make())
        except BaseException as error:
            self.errors.append(error)

    def trace(self, *_: object) -> Any:
        """A trace or profile function."""
        self.events += 1
        if self.events % 5 == 0:
            self()
        return self.trace

    def check(self, at_least: int) -> None:
        assert not self.errors, self.errors
        assert self.count >= at_least, self.count
        for other, made in self.shared:
            other.rested(made)


class Rubbish:
    """Ends as soon as nobody refers to it."""

    def __init__(self, action: Callable[[], None]) -> None:
        self.action = action

    def __del__(self) -> None:
        self.action()


def turns_of(subject: Subject, target: Any, rounds: int, between: Callable[[], Any] = int) -> list[Callable[[], None]]:
    """What a few threads do: turns, and something between them and, where it can be held, while they hold it."""

    def body(turn: Callable[[Any], Any]) -> Callable[[], None]:
        def run() -> None:
            for _ in range(rounds):
                turn(target)
                between()
                if subject.hold is not None:
                    with subject.hold(target):
                        between()

        return run

    return [body(turn) for turn in subject.turns()]


def littered(subject: Subject, rounds: int = 60) -> None:
    """Threads take turns and leave garbage whose finalizers and callbacks meddle, by count or by collection."""
    target = subject.make()
    meddler = Meddler(subject, target)
    kept: list[Any] = []

    def drop() -> None:
        Rubbish(meddler)
        drop_litter("finalizer", meddler)
        kept.append(drop_litter("callback", meddler))

    thresholds = gc.get_threshold()
    gc.set_threshold(50, 5)
    try:
        exercise(*turns_of(subject, target, rounds, drop))
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    meddler.check(3 * rounds)
    subject.rested(target)


def traced(subject: Subject, how: str, rounds: int = 40) -> None:
    """Threads take turns, and a trace or profile function meddles."""
    target = subject.make()
    meddler = Meddler(subject, target)
    set_all, set_one = {
        "trace": (threading.settrace_all_threads, sys.settrace),
        "profile": (threading.setprofile_all_threads, sys.setprofile),
    }[how]
    bodies = turns_of(subject, target, rounds)
    set_all(meddler.trace)
    try:
        exercise(*bodies)
    finally:
        set_all(None)
        set_one(None)
    meddler.check(rounds)
    subject.rested(target)


# --- in the methods of a lock that is not ours ----------------------------------------------------------------------


class Meddled(Duck):
    """Something happens whenever it is taken or released, and that waits for locks of ours."""

    def __init__(self, meddle: Callable[[], Any]) -> None:
        super().__init__()
        self.meddle = meddle

    def acquire(self, *args: Any, **kwargs: Any) -> bool:
        taken = super().acquire(*args, **kwargs)
        self.meddle()
        return taken

    def release(self) -> None:
        self.meddle()
        super().release()


def wait_shortly() -> None:
    assert not Event().wait(SHORT)


def by_finalizer() -> None:
    Rubbish(wait_shortly)


def by_handler() -> None:
    """For the main thread, which runs the handler at once; another thread waits by itself."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGUSR1, lambda *_: wait_shortly())
        signal.raise_signal(signal.SIGUSR1)
    else:
        wait_shortly()


def by_trace_function() -> None:
    def trace(*_: object) -> None:
        wait_shortly()

    def traced() -> None:
        pass

    sys.settrace(trace)
    traced()
    sys.settrace(None)


MEDDLING = {"itself": wait_shortly, "finalizer": by_finalizer, "handler": by_handler, "trace": by_trace_function}


def meddled(how: str, rounds: int = 10) -> None:
    """A condition over such a lock: each wait ends by a notification, or in vain, and holds the lock afterwards."""
    lock = Meddled(MEDDLING[how])
    target = Condition(lock)
    subject = BY_NAME["Condition"]
    with Puppet("friend") as friend:
        for _ in range(rounds):
            with target:
                assert not target.wait(SHORT)
                assert lock.locked()
            helped = friend.start(subject.help, target)
            with target:
                assert target.wait(LIMIT)
                assert lock.locked()
            helped.result(LIMIT)
        subject.rested(target)
        subject.usable(target, friend)


# --- called by an operation -----------------------------------------------------------------------------------------


def predicate() -> None:
    """The predicate of a wait uses locks of every type, and waits for them."""
    subject = BY_NAME["Condition"]
    target = subject.make()
    with Puppet("friend") as friend, Puppet("helper") as helper:
        intruder = Intruder(helper, BY_NAME["Event"], Event())
        answers = [False, False, True]

        def ready() -> bool:
            intruder()
            return answers.pop(0)

        def notify_twice() -> None:
            for left in (2, 1):
                until(lambda left=left: len(answers) == left, "the predicate to be asked")
                subject.help(target)

        helped = friend.start(notify_twice)
        with target:
            assert target.wait_for(ready, LIMIT) is True
        helped.result(LIMIT)
        assert intruder.runs == 3
        intruder.check()
        subject.rested(target)
        subject.usable(target, friend)


def action() -> None:
    """The action of a barrier uses locks of every type, and waits for them while the others wait for it."""
    with Puppet("friend") as friend, Puppet("helper") as helper:
        intruder = Intruder(helper, BY_NAME["Event"], Event())
        barrier = Barrier(2, intruder)
        for _ in range(3):
            other = friend.start(barrier.wait, LIMIT)
            assert {barrier.wait(LIMIT), other.result(LIMIT)} == {0, 1}
        assert intruder.runs == 3
        intruder.check()
        BY_NAME["Barrier"].rested(barrier)


# --- at the end of the interpreter ----------------------------------------------------------------------------------


class LastWords:
    """Garbage of the interpreter's last moments: nobody else runs any more, and some of those who do not hold locks.

    The globals of modules may be gone then, so all that is called is kept here, with what it has to give.
    """

    def __init__(self, name: str) -> None:
        self.itself = self
        self.calls: list[tuple[Callable[..., Any], dict[str, Any], Any]] = []
        for subject in SUBJECTS:
            if subject.method == "wait":
                self.calls += self.of_what_happens(subject.make())
            else:
                self.calls += self.of_a_lock(subject, subject.make())
        self.say = functools.partial(os.write, 1, f"{name}\n".encode())

    @staticmethod
    def of_a_lock(subject: Subject, target: Any) -> Any:
        take = getattr(target, subject.method)
        give = getattr(target, subject.method.replace("acquire", "release"))
        yield from ((take, {}, True), (give, {}, None), (take, {"blocking": False}, True), (give, {}, None))
        kept = subject.make()
        threading.Thread(target=keep, args=(subject, kept), daemon=True).start()
        threading.Thread(target=subject.wait, args=(kept, None), daemon=True).start()
        subject.waited_for(kept)
        take = getattr(kept, subject.method)
        yield from ((take, {"blocking": False}, False), (take, {"timeout": 0.001}, False))

    @staticmethod
    def of_what_happens(target: Any) -> Any:
        if isinstance(target, Condition):
            yield from ((target.acquire, {}, True), (target.wait, {"timeout": 0.001}, False))
            yield from ((target.notify, {}, None), (target.release, {}, None))
        elif isinstance(target, Event):
            yield from ((target.wait, {"timeout": 0.001}, False), (target.set, {}, None), (target.clear, {}, None))
        else:
            yield target.abort, {}, None

    def __del__(self) -> None:
        for function, arguments, gives in self.calls:
            if (given := function(**arguments)) is not gives:
                raise AssertionError(function, arguments, given)
        self.say()


def keep(subject: Subject, target: Any) -> None:
    subject.obstruct(target)
    Event().wait()
