"""Every call of the threading family that can block. Run in child processes, on their main thread."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ft_utils.synchronization import (
    Barrier,
    BoundedSemaphore,
    BrokenBarrierError,
    Condition,
    Event,
    IntervalLock,
    Lock,
    ReaderWriterLock,
    RLock,
    RWReadContext,
    RWWriteContext,
    Semaphore,
    snapshot,
    stats,
)

from .blocking import LONG, Handler, send_until, send_until_counted
from .threads import LIMIT, Puppet, until, waiting


def nothing(_: Any) -> None:
    pass


@dataclass(frozen=True)
class Call:
    """A call by the main thread that blocks until another thread, the friend, lets it go on."""

    make: Callable[[], Any]
    block: Callable[[Any], Any]
    let_go: Callable[[Any], Any]  # by the friend
    obstruct: Callable[[Any], Any] = nothing  # by the friend, before
    leave: Callable[[Any], Any] = nothing  # by the main thread, after the call has returned
    idle: Callable[[Any], Any] = field(default=lambda target: True)  # nothing is left of the call
    gives: tuple[Any, ...] = (True,)
    anybody: bool = True  # the main thread itself may let go, in a signal handler


def is_unlocked(lock: Any) -> bool:
    return not lock.locked()


def acquiring(make: Callable[[], Any], block: Callable[[Any], Any], **more: Any) -> Call:
    return Call(
        make,
        block,
        obstruct=lambda lock: lock.acquire(),
        let_go=lambda lock: lock.release(),
        leave=lambda lock: lock.release(),
        idle=is_unlocked,
        **more,
    )


def counting(make: Callable[[], Any], block: Callable[[Any], Any]) -> Call:
    return Call(make, block, let_go=lambda semaphore: semaphore.release(), idle=no_permits)


def no_permits(semaphore: Any) -> bool:
    return not semaphore.acquire(blocking=False)


def bounded() -> BoundedSemaphore:
    semaphore = BoundedSemaphore(2)
    semaphore.acquire()
    semaphore.acquire()
    return semaphore


def entering(lock: Any) -> bool:
    """For a call that gives the same as the others, but leaves by itself."""
    with lock as entered:
        assert entered is True
        return True


def waiting_with(*args: Any, how: str = "wait") -> Callable[[Condition], Any]:
    """Wait for a condition, and see to it that its lock is held again however the wait ends."""

    def block(condition: Condition) -> Any:
        condition.acquire()
        try:
            return getattr(condition, how)(*args)
        finally:
            assert condition._is_owned(), "the wait ended without the lock"
            condition.release()

    return block


def notify(condition: Condition) -> None:
    condition.acquire()
    condition.notify()
    condition.release()


def is_free(condition: Condition) -> bool:
    return not condition._is_owned()


def conditional(make_lock: Callable[[], Any], *args: Any) -> Call:
    return Call(lambda: Condition(make_lock()), waiting_with(*args), notify, idle=is_free)


def awaited() -> Condition:
    """A condition with a state, for wait_for."""

    class Stateful(Condition):
        ready = False

    return Stateful()


def for_ready(condition: Any, *args: Any) -> bool:
    condition.acquire()
    try:
        return condition.wait_for(lambda: condition.ready, *args)
    finally:
        assert condition._is_owned(), "the wait ended without the lock"
        condition.ready = False
        condition.release()


def make_ready(condition: Any) -> None:
    condition.acquire()
    condition.ready = True
    condition.notify()
    condition.release()


def set_and_clear(event: Event) -> None:
    event.set()
    event.clear()


def meeting(*args: Any) -> Call:
    return Call(
        lambda: Barrier(2, timeout=LONG),
        lambda barrier: barrier.wait(*args),
        let_go=lambda barrier: barrier.wait(LIMIT),
        idle=lambda barrier: barrier.n_waiting == 0 and not barrier.broken,
        gives=(0, 1),
        anybody=False,
    )


CALLS: dict[str, Call] = {
    "Lock.acquire": acquiring(Lock, lambda lock: lock.acquire()),
    "Lock.acquire with a timeout": acquiring(Lock, lambda lock: lock.acquire(timeout=LONG)),
    "RLock.acquire": acquiring(RLock, lambda lock: lock.acquire(), anybody=False),
    "RLock.acquire with a timeout": acquiring(RLock, lambda lock: lock.acquire(timeout=LONG), anybody=False),
    "Semaphore.acquire": counting(lambda: Semaphore(0), lambda semaphore: semaphore.acquire()),
    "Semaphore.acquire with a timeout": counting(lambda: Semaphore(0), lambda s: s.acquire(timeout=LONG)),
    "BoundedSemaphore.acquire": counting(bounded, lambda semaphore: semaphore.acquire()),
    "BoundedSemaphore.acquire with a timeout": counting(bounded, lambda s: s.acquire(timeout=LONG)),
    "Event.wait": Call(Event, lambda event: event.wait(), set_and_clear),
    "Event.wait with a timeout": Call(Event, lambda event: event.wait(LONG), set_and_clear),
    "Condition.wait": conditional(lambda: None),
    "Condition.wait with a timeout": conditional(lambda: None, LONG),
    "Condition.wait over Lock": conditional(Lock),
    "Condition.wait over threading.RLock": conditional(threading.RLock),
    "Condition.wait over IntervalLock": conditional(IntervalLock),
    "Condition.wait over RWReadContext": conditional(lambda: RWReadContext(ReaderWriterLock())),
    "Condition.wait over RWWriteContext": conditional(lambda: RWWriteContext(ReaderWriterLock())),
    "Condition.wait_for": Call(awaited, for_ready, make_ready, idle=is_free),
    "Condition.wait_for with a timeout": Call(awaited, lambda c: for_ready(c, LONG), make_ready, idle=is_free),
    "Barrier.wait": meeting(),
    "Barrier.wait with a timeout": meeting(LONG),
}
# Those that leave as they came.
CALLS |= {
    f"with {make.__name__}": Call(
        make, entering, lambda lock: lock.release(), lambda lock: lock.acquire(), idle=idle, anybody=False
    )
    for make, idle in ((Lock, is_unlocked), (RLock, is_unlocked), (Condition, is_free))
}
CALLS["with Semaphore"] = Call(
    lambda: Semaphore(0),
    entering,
    let_go=lambda semaphore: semaphore.release(),
    leave=lambda semaphore: semaphore.acquire(),
    idle=no_permits,
)

TIMEOUT = 0.25
TIMED: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], Callable[[Any], Any]]] = {
    "Lock": (Lock, Lock.acquire, lambda lock: lock.acquire(timeout=TIMEOUT)),
    "RLock": (RLock, RLock.acquire, lambda lock: lock.acquire(timeout=TIMEOUT)),
    "Semaphore": (lambda: Semaphore(0), nothing, lambda semaphore: semaphore.acquire(timeout=TIMEOUT)),
    "BoundedSemaphore": (bounded, nothing, lambda semaphore: semaphore.acquire(True, TIMEOUT)),
    "Event": (Event, nothing, lambda event: event.wait(TIMEOUT)),
    "Condition": (Condition, nothing, waiting_with(TIMEOUT)),
    "Condition.wait_for": (Condition, nothing, waiting_with(lambda: False, TIMEOUT, how="wait_for")),
    "Barrier": (lambda: Barrier(2), nothing, lambda barrier: broken(barrier, TIMEOUT)),
}


def broken(barrier: Barrier, timeout: float) -> bool:
    """Whether the barrier was passed in time."""
    try:
        barrier.wait(timeout)
    except BrokenBarrierError:
        assert barrier.broken
        return False
    return True


def of(primitive: str) -> dict[str, Call]:
    """The calls of one primitive."""
    return {name: call for name, call in CALLS.items() if name.removeprefix("with ").split(".")[0] == primitive}


# --- what is done to each of them -----------------------------------------------------------------------------------


def asleep(thread: int) -> None:
    """Wait until a thread waits, for whatever it is: a condition's `with` waits for its lock."""
    until(lambda: any(w.thread == thread for w in snapshot()), "the main thread to wait")


@contextmanager
def signals(number: int, pause: float = LIMIT) -> Iterator[None]:
    """Signals arrive at this thread while it waits within the block."""
    done, me = threading.Event(), threading.get_ident()

    def send() -> None:
        asleep(me)
        send_until(done, number, me, pause=pause)

    with Puppet("sender") as sender:
        sent = sender.start(send)
        try:
            yield
        finally:
            done.set()
        sent.result(LIMIT)


def check_usable(call: Call, target: Any, friend: Puppet) -> None:
    """The call can be made again, and ends as it should."""
    me = threading.get_ident()

    def help_out() -> None:
        asleep(me)
        call.let_go(target)

    for _ in range(2):
        friend.run(call.obstruct, target)
        helped = friend.start(help_out)
        assert call.block(target) in call.gives
        helped.result(LIMIT)
        call.leave(target)
    assert call.idle(target), repr(target)


def interrupted(call: Call) -> None:
    """Ctrl-C ends the call: KeyboardInterrupt, nothing taken, nobody left in a queue, the lock of a wait held."""
    Handler(signal.SIGINT, raises=True)
    target = call.make()
    with Puppet("friend") as friend:
        friend.run(call.obstruct, target)
        before = stats().interrupts
        try:
            with signals(signal.SIGINT):
                call.block(target)
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError("the call returned")
        assert snapshot() == [], "a waiter was left in a queue"
        assert stats().interrupts > before
        if call.obstruct is not nothing:
            friend.run(call.let_go, target)  # which fails unless the friend is still the holder
        assert call.idle(target), repr(target)
        check_usable(call, target, friend)


def watched(call: Call, target: Any, friend: Puppet, watch: Callable[[], None]) -> None:
    """Make the call while another thread does something to it, which ends it."""
    me = threading.get_ident()

    def run() -> None:
        asleep(me)
        watch()

    with Puppet("watcher") as watcher:
        watching = watcher.start(run)
        assert call.block(target) in call.gives
        watching.result(LIMIT)
    call.leave(target)
    check_usable(call, target, friend)


def undisturbed(call: Call) -> None:
    """Signals whose handler returns do not end the call, nor move it in the queue."""
    handler = Handler(signal.SIGUSR1)
    target, me = call.make(), threading.get_ident()
    with Puppet("friend") as friend:
        friend.run(call.obstruct, target)

        def watch() -> None:
            for _ in range(5):
                send_until_counted(handler, handler.count, me)
                until(lambda: [w.thread for w in snapshot()] == [me], "the main thread to be back in its place")
            friend.run(call.let_go, target)

        watched(call, target, friend, watch)
    assert handler.count >= 5


def ended_during_handler(call: Call) -> None:
    """What ends the wait while a handler runs is not lost: the call returns after it."""
    target, me = call.make(), threading.get_ident()
    with Puppet("friend") as friend:
        friend.run(call.obstruct, target)
        handler = Handler(signal.SIGUSR1, action=lambda: friend.run(call.let_go, target))
        watched(call, target, friend, lambda: send_until_counted(handler, 0, me))
        assert handler.count == 1


def ended_by_handler(call: Call) -> None:
    """The handler of the waiting thread itself sets the event, releases the lock, notifies."""
    target, me = call.make(), threading.get_ident()
    with Puppet("friend") as friend:
        friend.run(call.obstruct, target)
        handler = Handler(signal.SIGUSR1, action=lambda: call.let_go(target))
        watched(call, target, friend, lambda: send_until_counted(handler, 0, me))
        assert handler.count == 1


def ended_by_handler_that_raises(call: Call) -> None:
    """What the call was granted in that moment is there for the next one: a lock is free, a permit can be had."""
    target, me = call.make(), threading.get_ident()
    with Puppet("friend") as friend, Puppet("sender") as sender:
        friend.run(call.obstruct, target)
        Handler(signal.SIGINT, raises=True, action=lambda: call.let_go(target))

        def send() -> None:
            asleep(me)
            signal.pthread_kill(me, signal.SIGINT)

        sent = sender.start(send)
        try:
            call.block(target)
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError("the call returned")
        sent.result(LIMIT)
        assert snapshot() == []
        if hasattr(target, "acquire"):
            assert friend.run(target.acquire, timeout=LIMIT), "what was granted is lost"
            friend.run(target.release)
            if isinstance(target, (Semaphore, BoundedSemaphore)):
                friend.run(target.acquire)
        check_usable(call, target, friend)


def timed_out(make: Callable[[], Any], obstruct: Callable[[Any], Any], block: Callable[[Any], Any]) -> None:
    """A stream of signals does not put the deadline off: a wait that began anew with each would never end."""
    handler = Handler(signal.SIGUSR1)
    target = make()
    with Puppet("friend") as friend:
        friend.run(obstruct, target)
        while handler.count <= 5:  # a busy machine may deliver few during one wait
            start = time.monotonic()
            with signals(signal.SIGUSR1, pause=0.01):
                assert block(target) is False
            assert time.monotonic() - start >= TIMEOUT
        assert snapshot() == []
        if obstruct is not nothing:
            friend.run(target.release)


def handler_waits(call: Call) -> None:
    """A handler may itself wait, in vain and not, for others of all kinds; the call under it goes on."""
    target, me = call.make(), threading.get_ident()
    others = {each: make() for each, (make, _, _) in TIMED.items()}
    bell, rounds, answers = Event(), 2, []

    def act() -> None:
        for other in others.values():
            answers.append(short_wait(other))
        answers.append(not bell.wait(LIMIT))
        bell.clear()

    handler = Handler(signal.SIGUSR1, action=act)
    with Puppet("friend") as friend:
        for each, (_, obstruct, _) in TIMED.items():
            friend.run(obstruct, others[each])
        friend.run(call.obstruct, target)

        def watch() -> None:
            for number in range(1, rounds + 1):
                signal.pthread_kill(me, signal.SIGUSR1)
                waiting(bell)
                bell.set()
                until(lambda n=number: len(answers) == n * (len(others) + 1), "the handler to end")
                until(lambda: [w.thread for w in snapshot()] == [me], "the main thread to be back in its place")
            friend.run(call.let_go, target)

        watched(call, target, friend, watch)
        for each, (_, obstruct, _) in TIMED.items():
            if obstruct is not nothing:
                friend.run(others[each].release)
    assert handler.count == rounds
    assert not any(answers), answers


def short_wait(target: Any) -> Any:
    """A wait in vain, whatever it is for."""
    if isinstance(target, Barrier):
        target.reset()
        return broken(target, 0.005)
    if isinstance(target, Condition):
        return waiting_with(0.005)(target)
    if isinstance(target, Event):
        return target.wait(0.005)
    return target.acquire(timeout=0.005)


# --- all calls of one primitive, in one process ---------------------------------------------------------------------


def each(scenario: Callable[[Call], None], primitive: str) -> None:
    """A scenario with every call of a primitive; the names say how far it came."""
    for name, call in of(primitive).items():
        if call.anybody or scenario not in (ended_by_handler, ended_by_handler_that_raises):
            print(name, file=sys.stderr)
            scenario(call)
    print("ok")
