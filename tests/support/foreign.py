"""Threads that Python has not made: pthreads that call into Python."""

import ctypes
import gc
import queue
import signal
import threading
from collections.abc import Callable
from typing import Any

from ft_utils import _locks
from ft_utils.synchronization import IntervalLock, ReaderWriterLock, RLock

from .blocking import Handler, send_until_counted
from .subjects import BY_NAME, SUBJECTS, Subject, nothing
from .threads import LIMIT, Puppet, until

libc = ctypes.CDLL(None)
ROUTINE = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_int)
pthread_t = ctypes.c_ulong


class ForeignThread:
    """A pthread, with as much of threading.Thread's face as the tests need. It makes the body one call into Python."""

    def __init__(self, body: Callable[[], None], stack: int = 0) -> None:
        self.name = "foreign"
        self.ident: int | None = None
        self._body = body
        self._began, self._ended = threading.Event(), threading.Event()
        self._routine = ROUTINE(self._run)
        self._stack = stack

    def start(self) -> None:
        thread, attributes = pthread_t(), None
        if self._stack:
            attributes = ctypes.create_string_buffer(64)  # sizeof(pthread_attr_t) is 56
            libc.pthread_attr_init(attributes)
            error = libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(self._stack))
            assert error == 0, error
        error = libc.pthread_create(ctypes.byref(thread), attributes, self._routine, None)
        assert error == 0, error
        self._thread = thread
        assert self._began.wait(LIMIT)

    def _run(self, _: object) -> None:
        self.ident = threading.get_ident()
        self._began.set()
        try:
            self._body()
        finally:
            self._ended.set()

    def is_alive(self) -> bool:
        return self._began.is_set() and not self._ended.is_set()

    def join(self, timeout: float | None = None) -> None:
        if self._ended.wait(timeout):
            libc.pthread_join(self._thread, None)


class ForeignPuppet(Puppet):
    """A puppet on a thread that Python has not made."""

    def __init__(self, name: str = "foreign", stack: int = 0) -> None:
        self._calls: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread: Any = ForeignThread(self._obey, stack)
        self._thread.start()


# --- what they do ---------------------------------------------------------------------------------------------------


def wait_for_each_other(stack: int = 0) -> None:
    """A foreign thread waits for one of Python, and the other way round, for each type."""
    with ForeignPuppet(stack=stack) as foreign, Puppet() as friend:
        for subject in SUBJECTS:
            target = subject.make()
            foreign.run(subject.usable, target, friend)
            subject.usable(target, foreign)
            with ForeignPuppet(stack=stack) as another:
                foreign.run(subject.usable, target, another)


def hammer(subject: Subject, rounds: int = 500) -> None:
    """Both sorts take turns."""
    target = subject.make()
    puppets = [make() for make in (ForeignPuppet, Puppet) for _ in subject.turns()]

    def turns(turn: Callable[[Any], Any]) -> None:
        for _ in range(rounds):
            turn(target)

    ends = [puppet.start(turns, turn) for puppet, turn in zip(puppets, subject.turns() * 2, strict=True)]
    for end in ends:
        end.result(LIMIT)
    subject.rested(target)
    subject.usable(target, puppets[0])
    for puppet in puppets:
        puppet.close()


def come_and_go(threads: int = 100) -> None:
    """Short lives, of which nothing stays; the next thread has the ident of the last."""
    made = [(subject, subject.make()) for subject in SUBJECTS]
    for subject, target in made:
        subject.turn(target)
    before, idents = len(_locks.threads()), set()
    with Puppet() as friend:
        friend.run(attempt_all, made)
        for number in range(threads):
            subject, target = made[number % len(made)]
            with ForeignPuppet() as foreign:
                idents.add(foreign.ident)
                foreign.run(subject.usable, target, friend, 1)
    until(lambda: len(_locks.threads()) <= before, "the records to go")
    assert len(idents) < threads, "no ident came again"


def attempt_all(made: list[tuple[Subject, Any]]) -> None:
    for subject, target in made:
        subject.attempt(target)


def end_with_locks_in_hand() -> None:
    """What such a thread held it holds for ever; a thread with the same ident has none of it."""
    lock, rlock, rw, read = IntervalLock(), RLock(), ReaderWriterLock(), [ReaderWriterLock() for _ in range(9)]
    before = len(_locks.threads())
    with ForeignPuppet() as foreign:
        ident = foreign.ident
        for take in (lock.lock, rlock.acquire, rw.lock_write, *(each.lock_read for each in read), read[0].lock_read):
            foreign.run(take)
    assert [each.readers() for each in read] == [2] + [1] * 8
    for _ in range(200):
        with ForeignPuppet() as heir:
            if heir.ident == ident:
                break
            heir.run(int)
    else:
        raise AssertionError("no thread got the ident of the one that ended")
    with ForeignPuppet() as heir:
        for refused in (lock.unlock, rlock.release, rw.unlock_write, read[0].unlock_read, read[8].unlock_read):
            try:
                heir.run(refused)
            except RuntimeError:
                continue
            raise AssertionError("a thread released what another one held")
        for take in (lock.acquire, rlock.acquire, rw.acquire_read, read[0].acquire_write):
            assert not heir.run(take, timeout=0.005)
        assert heir.run(read[8].acquire_read, timeout=LIMIT)
        heir.run(read[8].release_read)
    del read, take, refused
    gc.collect()  # the exceptions and their frames
    until(lambda: len(_locks.threads()) <= before, "the record to go with the read locks")


# --- with the help of C ---------------------------------------------------------------------------------------------

def call_back_twice(start: Any, calls: list[Callable[[], Any]]) -> None:
    """The two calls, from a thread that C makes."""
    errors: list[BaseException] = []

    def called(number: int) -> None:
        try:
            calls[number]()
        except BaseException as error:
            errors.append(error)

    routine, thread = CALLBACK(called), pthread_t()
    assert start(ctypes.byref(thread), routine) == 0
    libc.pthread_join(thread, None)
    if errors:
        raise errors[0]


def hold_between_two_calls(lib: ctypes.CDLL) -> None:
    """The thread is the owner of what it took in the call before, though its thread state is another."""
    with Puppet() as friend:
        for subject in SUBJECTS:
            if subject.obstruct is nothing:
                continue
            target, waits = subject.make(), []

            def take(subject: Subject = subject, target: Any = target, waits: list[Any] = waits) -> None:
                subject.obstruct(target)
                waits.append(friend.start(subject.wait, target, LIMIT))
                subject.waited_for(target)

            def give(subject: Subject = subject, target: Any = target) -> None:
                subject.admit(target)

            call_back_twice(lib.start_twice, [take, give])
            assert waits[0].result(LIMIT)
            friend.run(subject.leave, target)
            subject.rested(target)


def wait_at_the_end(lib: ctypes.CDLL) -> None:
    """A thread uses locks of every type while it ends."""
    made = [(subject, subject.make()) for subject in SUBJECTS]
    before = len(_locks.threads())
    for _ in range(3):
        with Puppet() as friend:

            def use(friend: Puppet = friend) -> None:
                for subject, target in made:
                    subject.usable(target, friend, 1)

            call_back_twice(lib.start_ending, [use, use])
    for subject, target in made:
        subject.rested(target)
    until(lambda: len(_locks.threads()) <= before, "the records to go")




# --- signals and the end --------------------------------------------------------------------------------------------


def signals_elsewhere() -> None:
    """A signal that another thread than the main one gets does not end its wait, whoever has made that thread."""
    handler = Handler(signal.SIGUSR1)
    for puppet in (ForeignPuppet(), Puppet()):
        with puppet, Puppet() as friend:
            for subject in SUBJECTS:
                target = subject.make()
                friend.run(subject.obstruct, target)
                waits = puppet.start(subject.wait, target, None)
                subject.waited_for(target)
                for _ in range(3):
                    send_until_counted(handler, handler.count, puppet.ident)
                    subject.waited_for(target)
                assert not waits.done()
                friend.run(subject.admit, target)
                assert waits.result(LIMIT)
                puppet.run(subject.leave, target)
                subject.rested(target)


def turns_of(name: str) -> list[tuple[Callable[[Any], Any], Any]]:
    subject = BY_NAME[name]
    target = subject.make()
    return [(turn, target) for turn in subject.turns()]


def left_behind() -> list[Any]:
    """Foreign threads that wait and that hammer while the interpreter ends; what has to be kept until then."""
    kept: list[Any] = []

    def start(body: Callable[..., Any], *args: Any) -> None:
        thread = ForeignThread(lambda: body(*args))
        thread.start()
        kept.append(thread)

    def forever(turn: Callable[[Any], Any], target: Any) -> None:
        while True:
            turn(target)

    for subject in SUBJECTS:
        target = subject.make()
        subject.obstruct(target)
        start(subject.wait, target, None)
        subject.waited_for(target)
        kept.append(target)
    for name in ("IntervalLock", "RWReadContext", "Condition", "Barrier"):
        for turn, target in turns_of(name):
            start(forever, turn, target)
    return kept
