"""Every call that can block, and what signals do to it. Run in child processes, on their main thread."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ft_utils.synchronization import (
    IntervalLock,
    ReaderWriterLock,
    RWReadContext,
    RWUpgradeContext,
    RWWriteContext,
    stats,
)

from .threads import LIMIT, Puppet, until, waiters, waiting

LONG = 1000.0  # a timeout that does not pass within a test


@dataclass(frozen=True)
class Call:
    """A call by the main thread that blocks because of another thread, the holder."""

    block: Callable[[Any], object]
    release: Callable[[Any], None]  # what the main thread would do if it held the lock
    make: Callable[[], Any] = IntervalLock
    exclude: str = "acquire"
    admit: str = "release"
    ceding: bool = False  # the main thread holds the lock before, and the holder waits for it


def entering(side: Callable[[Any], Any]) -> Callable[[Any], None]:
    def block(lock: Any) -> None:
        with side(lock):
            pass

    return block


def entered(side: Callable[[Any], Any]) -> Callable[[Any], bool]:
    """Whether the block was entered."""

    def block(lock: Any) -> bool:
        try:
            with side(lock):
                return True
        except TimeoutError:
            return False

    return block


def reading(block: Callable[[Any], object]) -> Call:
    return Call(block, ReaderWriterLock.unlock_read, ReaderWriterLock, "acquire_write", "release_write")


def writing(block: Callable[[Any], object]) -> Call:
    return Call(block, ReaderWriterLock.unlock_write, ReaderWriterLock, "acquire_read", "release_read")


def upgradable(block: Callable[[Any], object], against: str = "upgradable") -> Call:
    return Call(block, ReaderWriterLock.unlock_upgradable, ReaderWriterLock, f"acquire_{against}", f"release_{against}")


def interval(block: Callable[[Any], object], seconds: float = 0.005, ceding: bool = False) -> Call:
    return Call(block, IntervalLock.unlock, lambda: IntervalLock(seconds), ceding=ceding)


CALLS: dict[str, Call] = {
    "IntervalLock.lock": interval(IntervalLock.lock),
    "IntervalLock.acquire": interval(IntervalLock.acquire),
    "IntervalLock.acquire with a timeout": interval(lambda lock: lock.acquire(timeout=LONG)),
    "IntervalLock with no interval": interval(IntervalLock.lock, 0),
    "with IntervalLock": interval(entering(lambda lock: lock)),
    "IntervalLock.cede": interval(IntervalLock.cede, ceding=True),
    "IntervalLock.poll": interval(IntervalLock.poll, 0, ceding=True),
    "lock_read": reading(ReaderWriterLock.lock_read),
    "acquire_read": reading(ReaderWriterLock.acquire_read),
    "acquire_read with a timeout": reading(lambda lock: lock.acquire_read(timeout=LONG)),
    "lock_write": writing(ReaderWriterLock.lock_write),
    "acquire_write": writing(ReaderWriterLock.acquire_write),
    "acquire_write with a timeout": writing(lambda lock: lock.acquire_write(timeout=LONG)),
    "with RWReadContext": reading(entering(RWReadContext)),
    "RWReadContext.acquire": reading(lambda lock: RWReadContext(lock).acquire()),
    "RWReadContext.acquire with a timeout": reading(lambda lock: RWReadContext(lock).acquire(timeout=LONG)),
    "with RWWriteContext": writing(entering(RWWriteContext)),
    "RWWriteContext.acquire": writing(lambda lock: RWWriteContext(lock).acquire()),
    "RWWriteContext.acquire with a timeout": writing(lambda lock: RWWriteContext(lock).acquire(timeout=LONG)),
    "lock_upgradable": upgradable(ReaderWriterLock.lock_upgradable),
    "acquire_upgradable": upgradable(ReaderWriterLock.acquire_upgradable),
    "acquire_upgradable with a timeout": upgradable(lambda lock: lock.acquire_upgradable(timeout=LONG)),
    "acquire_upgradable while one writes": upgradable(ReaderWriterLock.acquire_upgradable, "write"),
    "with RWUpgradeContext": upgradable(entering(RWUpgradeContext)),
    "RWUpgradeContext.acquire": upgradable(lambda lock: RWUpgradeContext(lock).acquire()),
    "with IntervalLock.within": interval(entering(lambda lock: lock.within(LONG))),
    "with reading().within": reading(entering(lambda lock: lock.reading().within(LONG))),
    "with writing().within": writing(entering(lambda lock: lock.writing().within(LONG))),
}

# The same lock with a timeout that ends, for the test of the deadline.
TIMED: dict[str, Call] = {
    "IntervalLock": interval(lambda lock: lock.acquire(timeout=1.0)),
    "read": reading(lambda lock: lock.acquire_read(timeout=1.0)),
    "write": writing(lambda lock: lock.acquire_write(timeout=1.0)),
    "RWReadContext": reading(lambda lock: RWReadContext(lock).acquire(timeout=1.0)),
    "RWWriteContext": writing(lambda lock: RWWriteContext(lock).acquire(timeout=1.0)),
    "upgradable": upgradable(lambda lock: lock.acquire_upgradable(timeout=1.0)),
    "upgradable while one writes": upgradable(lambda lock: lock.acquire_upgradable(timeout=1.0), "write"),
    "IntervalLock.within": interval(entered(lambda lock: lock.within(1.0))),
    "reading().within": reading(entered(lambda lock: lock.reading().within(1.0))),
}


class Handler:
    """A signal handler that counts, and raises KeyboardInterrupt the first time if told to."""

    def __init__(self, number: int, raises: bool = False, action: Callable[[], Any] = lambda: None) -> None:
        self.count = 0
        self.raises = raises
        self.action = action
        signal.signal(number, self)

    def __call__(self, *_: object) -> None:
        self.count += 1
        self.action()
        if self.raises and self.count == 1:
            raise KeyboardInterrupt


def send_until(done: threading.Event, number: int, main: int, lock: Any = None, pause: float = LIMIT) -> None:
    """Signal the main thread, once it waits for the lock, again and again until it has answered.

    By default there is time for one signal only: it must do even if it comes just before the thread goes to sleep.
    """
    if lock is not None:
        until(lambda: any(w.thread == main for w in waiters(lock)), "the main thread to wait")
    while not done.is_set():
        signal.pthread_kill(main, number)
        done.wait(pause)


@contextmanager
def signalled(number: int, lock: Any = None, pause: float = LIMIT) -> Iterator[None]:
    """Signals arrive at this thread while it waits for the lock within the block."""
    done = threading.Event()
    with Puppet("sender") as sender:
        sent = sender.start(send_until, done, number, threading.get_ident(), lock, pause)
        try:
            yield
        finally:
            done.set()
        sent.result(LIMIT)


@contextmanager
def obstructed(call: Call, holder: Puppet) -> Iterator[Any]:
    """A lock on which the call blocks until the end of the block."""
    lock = call.make()
    if call.ceding:
        lock.lock()
        holding = holder.start(lock.lock)
        waiting(lock)
        yield lock
        holding.result(LIMIT)
    else:
        holder.run(getattr(lock, call.exclude))
        yield lock
    holder.run(getattr(lock, call.admit))


def interrupted(name: str) -> None:
    """Ctrl-C ends the call: KeyboardInterrupt, the lock not taken, nobody left in the queue."""
    call = CALLS[name]
    Handler(signal.SIGINT, raises=True)
    with Puppet("holder") as holder:
        with obstructed(call, holder) as lock:
            before = stats().interrupts
            try:
                with signalled(signal.SIGINT, lock):
                    call.block(lock)
            except KeyboardInterrupt:
                pass
            else:
                raise AssertionError("the call returned")
            assert not waiters(lock), "a waiter was left in the queue"
            assert " waiters=0 " in repr(lock), repr(lock)
            assert stats().interrupts > before
            check_not_held(call, lock)
        assert " unlocked at " in repr(lock), repr(lock)
        check_usable(call, lock, holder)
    print("interrupted")


def check_not_held(call: Call, lock: Any) -> None:
    try:
        call.release(lock)
    except RuntimeError:
        return
    raise AssertionError("the interrupted thread held the lock")


def check_usable(call: Call, lock: Any, other: Puppet) -> None:
    """Both threads can still take turns."""
    for _ in range(3):
        other.run(getattr(lock, call.exclude), timeout=LIMIT)
        other.run(getattr(lock, call.admit))
        if not call.ceding:
            call.block(lock)
            if " unlocked at " not in repr(lock):
                call.release(lock)
    assert " unlocked at " in repr(lock), repr(lock)


def undisturbed(name: str) -> None:
    """Signals whose handler returns do not end the call, nor move it in the queue."""
    call = CALLS[name]
    handler = Handler(signal.SIGUSR1)
    with Puppet("holder") as holder, Puppet("watcher") as watcher, obstruction(call, holder) as (lock, let_go):
        me = threading.get_ident()

        def watch() -> None:
            until(lambda: any(w.thread == me for w in waiters(lock)), "the main thread to wait")
            for _ in range(5):
                seen = handler.count
                send_until_counted(handler, seen, me)
                assert [w.thread for w in waiters(lock)] == [me], "it lost its place"
            let_go()

        watched = watcher.start(watch)
        call.block(lock)
        watched.result(LIMIT)
        if " unlocked at " not in repr(lock):
            call.release(lock)
    assert handler.count >= 5
    print("undisturbed")


def send_until_counted(handler: Handler, seen: int, main: int) -> None:
    signal.pthread_kill(main, signal.SIGUSR1)
    until(lambda: handler.count > seen, "the handler to run")


@contextmanager
def obstruction(call: Call, holder: Puppet) -> Iterator[tuple[Any, Callable[[], None]]]:
    """As obstructed(), but ended by the second value, which another thread calls."""
    lock = call.make()
    if call.ceding:
        lock.lock()
        holding = holder.start(lock.lock)
        waiting(lock)
        yield lock, lambda: (holding.result(LIMIT), holder.run(lock.unlock))[1]
    else:
        holder.run(getattr(lock, call.exclude))
        yield lock, lambda: holder.run(getattr(lock, call.admit))


def timed_out(name: str) -> None:
    """A stream of signals does not put the deadline off: a wait that began anew with each would never end."""
    call = TIMED[name]
    handler = Handler(signal.SIGUSR1)
    with Puppet("holder") as holder, obstructed(call, holder) as lock:
        while handler.count <= 5:  # a busy machine may deliver few during one wait
            start = time.monotonic()
            with signalled(signal.SIGUSR1, lock, pause=0.02):
                assert call.block(lock) is False
            assert time.monotonic() - start >= 1.0
        assert not waiters(lock)
    print("timed out")
