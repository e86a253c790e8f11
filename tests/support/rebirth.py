"""Locks that are freed in every state, and new ones at their addresses. Run in child processes of the tests."""

import gc
import itertools
import signal
import weakref
from collections.abc import Callable
from typing import Any

from ft_utils import _locks
from ft_utils.synchronization import IntervalLock, ReaderWriterLock, RWReadContext, snapshot

from .blocking import Handler, signalled
from .subjects import BY_NAME, READ, SHORT, SUBJECTS, WRITE, Subject, itself, nothing
from .threads import LIMIT, Puppet, exercise, until, waiting

Leave = Callable[[Subject, Any, Puppet, Puppet], Any]


class Cradle:
    """Makes objects until one has the address of one that was freed.

    It and the lists of what it makes are there before, so that they do not take that place themselves. What it makes
    may have two parts of one size, a context and its lock, of which each comes to lie at every other place: single
    locks between them, further apart from one attempt to the next, have both come to lie everywhere.
    """

    attempts = itertools.count(2)

    def __init__(self, make: Callable[[], Any], place: Callable[[Any], Any], address: int) -> None:
        self.make = make
        self.place = place
        self.address = address
        self.steps = iter(range(20_000))
        self.born: list[Any] = []
        self.single: list[Any] = []
        self.apart = next(self.attempts)

    def find(self) -> Any:
        """A new object at the old address, or None."""
        for step in self.steps:
            self.born.append(self.make())
            if step % self.apart == 0:
                self.single.append(self.place(self.make()))
        for one in self.born:
            if id(self.place(one)) == self.address:
                return one
        return None


def reborn(subject: Subject, leave: Leave) -> Any:
    """Make one, leave it in some state, free it, and return a new one at the same address."""
    for _ in range(50):
        with Puppet("one") as one, Puppet("two") as two:
            target = subject.make()
            leave(subject, target, one, two)
        gc.collect()
        place = subject.queue(target)
        freed, cradle = weakref.ref(place), Cradle(subject.make, subject.queue, id(place))
        del place, target
        again = cradle.find()
        assert freed() is None, "something keeps the lock alive"
        if again is not None:
            return again
    raise AssertionError(f"no new {subject} at the address of an old one")


# --- states to be freed in ------------------------------------------------------------------------------------------


def contended(subject: Subject, target: Any, one: Puppet, two: Puppet) -> None:
    """There was a queue for it."""
    subject.usable(target, one)


def given_up(subject: Subject, target: Any, one: Puppet, two: Puppet) -> None:
    """The last wait for it was in vain; where somebody held it, he still does."""
    one.run(subject.obstruct, target)
    assert not subject.wait(target, SHORT)


def held_by_me(subject: Subject, target: Any, one: Puppet, two: Puppet) -> None:
    if subject.obstruct is not nothing:
        assert subject.wait(target, LIMIT)
        assert not two.run(subject_waits(subject), target, SHORT) or subject in SHARED
    else:
        getattr(target, "acquire", getattr(target, "set", getattr(target, "abort", None)))()


def held_by_the_dead(subject: Subject, target: Any, one: Puppet, two: Puppet) -> None:
    """The puppet ends with it."""
    one.run(subject.obstruct, target)
    if subject.obstruct is not nothing:
        assert not subject.wait(target, SHORT)


def subject_waits(subject: Subject) -> Callable[[Any, float], bool]:
    return lambda target, timeout: subject.wait(target, timeout) and subject.leave(target) is None


SHARED = [BY_NAME["ReaderWriterLock.read"], BY_NAME["RWReadContext"]]
STATES: list[Leave] = [contended, given_up, held_by_me, held_by_the_dead]


def in_every_state(subject: Subject) -> None:
    """The new one is at rest and can be used, whatever became of the old one."""
    for leave in STATES:
        target = reborn(subject, leave)
        subject.rested(target)
        with Puppet("friend") as friend:
            if subject.obstruct is not nothing:
                assert friend.run(subject_waits(subject), target, LIMIT)
            subject.usable(target, friend)
    assert snapshot() == []


# --- read locks -----------------------------------------------------------------------------------------------------


def reading(rw: ReaderWriterLock, times: int) -> None:
    for _ in range(times):
        rw.lock_read()


def biased() -> ReaderWriterLock:
    """On the free-threaded build its readers are noted in the records of their threads alone."""
    rw = ReaderWriterLock()
    for _ in range(2000):
        with RWReadContext(rw):
            pass
    return rw


def counted() -> ReaderWriterLock:
    """A writer has just been there, so that the word counts the readers."""
    rw = biased()
    WRITE.turn(rw)
    return rw


def freed_while_read(make: Callable[[], ReaderWriterLock], times: int, others: int, ended: bool) -> None:
    """The reader has read locks on others before it and after it, which stay, and may end before the lock does.

    times: how often it reads the one. others: on how many others.
    """
    for _ in range(50):
        rw, kept = make(), [make() for _ in range(others)]
        reader = Puppet("reader")
        for each in [*kept[: others // 2], *([rw] * times), *kept[others // 2 :]]:
            reader.run(each.lock_read)
        assert rw.readers() == times and all(each.readers() == 1 for each in kept)
        if ended:
            reader.close()
        cradle = Cradle(ReaderWriterLock, itself, id(rw))
        del rw, each
        again = cradle.find()
        if again is not None:
            nobody_reads(again, None if ended else reader)
        assert all(each.readers() == 1 for each in kept)
        if not ended:
            for each in kept:
                reader.run(each.unlock_read)
            reader.close()
        if again is not None:
            return
    raise AssertionError("no new lock at the address of an old one")


def nobody_reads(rw: ReaderWriterLock, reader: Puppet | None) -> None:
    READ.rested(rw)
    if reader is not None:
        try:
            reader.run(rw.unlock_read)
            raise AssertionError("a read lock was released that belonged to another lock")
        except RuntimeError:
            pass
        assert reader.run(rw.acquire_write, timeout=LIMIT)
        reader.run(rw.unlock_write)
        reader.run(reading, rw, 2)
        assert rw.readers() == 2 and not rw.acquire_write(blocking=False)
        reader.run(rw.unlock_read), reader.run(rw.unlock_read)
    with Puppet("friend") as friend:
        READ.usable(rw, friend)
        WRITE.usable(rw, friend)


def records_go_with_their_locks(threads: int = 20) -> None:
    """The record of a thread that ended with read locks in hand stays as long as these, and no longer."""
    first, second = ReaderWriterLock(), biased()
    before = len(_locks.threads())  # with our own
    for _ in range(threads):
        with Puppet() as reader:
            reader.run(reading, first, 2), reader.run(reading, second, 1)
    assert (first.readers(), second.readers()) == (2 * threads, threads)
    del second
    assert len(_locks.threads()) >= before + threads and first.readers() == 2 * threads
    del first
    until(lambda: len(_locks.threads()) <= before, "the records to go")


# --- threads --------------------------------------------------------------------------------------------------------


def identity_of_a_dead_thread(tries: int = 200) -> None:
    """A new thread gets the ident of one that ended, and not what that one held."""
    lock, rw = IntervalLock(), ReaderWriterLock()
    with Puppet() as owner:
        ident = owner.ident
        owner.run(lock.lock), owner.run(rw.lock_write)
    for _ in range(tries):
        with Puppet() as heir:
            if heir.ident != ident:
                continue
            for refused in (lock.unlock, rw.unlock_write, rw.downgrade, lock.cede):
                try:
                    heir.run(refused)
                except RuntimeError:
                    continue
                raise AssertionError("a thread released what a dead one held")
            assert "owner=ended" in repr(lock) and "owner=ended" in repr(rw)
            assert not heir.run(lock.acquire, timeout=SHORT) and not heir.run(rw.acquire_read, timeout=SHORT)
            return
    raise AssertionError("no thread got the ident of the dead one")


# --- under load -----------------------------------------------------------------------------------------------------


def churn(rounds: int = 300) -> None:
    """Locks of all types come and go while threads are at them, and take each other's places."""
    slot: list[tuple[Subject, Any]] = [fresh(0)]

    def body(offset: int) -> Callable[[], None]:
        def run() -> None:
            for number in range(rounds):
                subject, target = slot[0]
                turns = subject.turns()
                turns[number % len(turns)](target)
                if number % 3 == 0:
                    slot[0] = fresh(number + offset)

        return run

    exercise(*(body(offset) for offset in range(4)))
    assert snapshot() == []


def fresh(number: int) -> tuple[Subject, Any]:
    subject = SUBJECTS[number % len(SUBJECTS)]
    return subject, subject.make()


def freed_beside_writers(rounds: int = 300) -> None:
    """Threads drop locks that they read, and end so, while a writer looks into their records for its own lock."""
    shared = biased()

    def read_and_drop() -> None:
        for number in range(rounds):
            rw = ReaderWriterLock()
            reading(rw, 1 + number % 2)
            READ.turn(shared)

    def read_and_end() -> None:
        for _ in range(rounds // 10):
            with Puppet() as reader:
                reader.run(lambda: reading(ReaderWriterLock(), 8))
                reader.run(READ.turn, shared)

    def write() -> None:
        for _ in range(rounds):
            WRITE.turn(shared)
            for _ in range(5):
                READ.turn(shared)

    before = len(_locks.threads())
    exercise(read_and_drop, read_and_drop, read_and_end, write)
    READ.rested(shared)
    until(lambda: len(_locks.threads()) <= before, "the records to go")


# --- what a thread remembers ----------------------------------------------------------------------------------------


def lose(lock: IntervalLock) -> None:
    """Have a signal end a cede(), so that this thread has lost the lock."""
    Handler(signal.SIGINT, raises=True)
    with Puppet() as other:
        lock.lock()
        got = other.start(lock.lock)
        waiting(lock)
        try:
            with signalled(signal.SIGINT, lock):
                lock.cede()
        except KeyboardInterrupt:
            pass
        got.result(LIMIT)
        other.run(lock.unlock)


def excused(lock: IntervalLock) -> bool:
    """Whether nothing is said of a block that has released the lock itself."""
    try:
        with lock:
            lock.unlock()
            raise KeyError
    except KeyError:
        return True
    except RuntimeError:
        return False


def lost_lock_later() -> None:
    lock = IntervalLock(0)
    lose(lock)
    assert not excused(lock)


def lost_lock_reborn() -> None:
    for _ in range(50):
        lock = IntervalLock(0)
        lose(lock)
        gc.collect()
        freed, cradle = weakref.ref(lock), Cradle(IntervalLock, itself, id(lock))
        del lock
        until(lambda freed=freed: freed() is None, "the last thread to let go of the lock")
        if (again := cradle.find()) is not None:
            assert not excused(again)
            return
    raise AssertionError("no new lock at the address of an old one")
