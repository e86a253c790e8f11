"""snapshot(): who waits for which lock, what is known of it, and who holds it."""

import pickle
import threading
from typing import Any

import pytest

import ft_utils.synchronization as ft
from ft_utils import contention

from ..support.process import run_isolated
from ..support.subjects import SUBJECTS, Subject
from ..support.threads import LIMIT, Puppet, until, waiting

# What holds each subject's lock while others wait for it; the rest is held by nobody, or nobody can tell.
WITH_OWNER = {"IntervalLock", "Lock", "RLock"}


def the_only() -> ft.Wait:
    """Of a thread that may be on its way into the queue still."""
    waits: list[ft.Wait] = []

    def known() -> bool:
        waits[:] = ft.snapshot()
        return len(waits) == 1 and waits[0].type is not None

    until(known, "one thread in a queue")
    return waits[0]


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_what_is_known_of_the_lock(subject: Subject, puppets: Any) -> None:
    friend, waiter = puppets(2)
    target = subject.make()
    lock = subject.queue(target)
    lock = getattr(lock, "lock", lock) if isinstance(lock, (ft.RWReadContext, ft.RWWriteContext)) else lock
    lock.name = "accounts"
    friend.run(subject.obstruct, target)
    waits = waiter.start(subject.wait, target, LIMIT)
    subject.waited_for(target)
    wait = the_only()
    assert (wait.lock, wait.thread) == (id(lock), waiter.ident)
    assert (wait.type, wait.name) == (type(lock).__name__, "accounts")
    holder = ft.Holder(friend.ident, "puppet-0")
    if wait.type in WITH_OWNER:
        assert (wait.owner, wait.readers) == (holder, ())
    elif wait.type == "ReaderWriterLock":
        assert (wait.owner, wait.readers) in [(holder, ()), (None, (holder,))]
        assert (wait.owner is not None) == lock.writer_locked()
    else:
        assert (wait.owner, wait.readers) == (None, ())
    friend.run(subject.admit, target)
    assert waits.result(LIMIT)
    waiter.run(subject.leave, target)
    assert ft.snapshot() == []


def test_the_fields_before_have_their_places(puppets: Any) -> None:
    a, b = puppets(2)
    lock = ft.IntervalLock()
    a.run(lock.lock)
    waits = b.start(lock.lock)
    waiting(lock)
    wait = the_only()
    assert ft.Wait._fields[:5] == ("lock", "thread", "kind", "waited", "notified")
    assert wait[:3] == (id(lock), b.ident, "exclusive")
    assert wait.waited >= 0 and wait.notified is False
    assert (wait.type, wait.name) == ("IntervalLock", None)
    a.run(lock.unlock)
    waits.result(LIMIT)
    b.run(lock.unlock)


def test_readers(puppets: Any) -> None:
    """All of them, however often each reads."""
    readers, writer = puppets(3), Puppet("writer")
    rw = ft.RWLock(name="prices")
    for reader in readers:
        reader.run(rw.lock_read)
    readers[0].run(rw.lock_read)
    with writer:
        waits = writer.start(rw.lock_write)
        waiting(rw)
        wait = the_only()
        assert wait.owner is None and wait.name == "prices"
        assert set(wait.readers) == {ft.Holder(reader.ident, f"puppet-{i}") for i, reader in enumerate(readers)}
        assert len(wait.readers) == 3
        readers[0].run(rw.unlock_read)
        for reader in readers:
            reader.run(rw.unlock_read)
        waits.result(LIMIT)
        writer.run(rw.unlock_write)


def test_a_notified_thread_waits_for_the_lock(puppets: Any) -> None:
    a, b = puppets(2)
    condition = ft.Condition(ft.Lock(name="store"), name="jobs")

    def wait() -> None:
        with condition:
            condition.wait()

    waits = a.start(wait)
    waiting(condition)
    assert (the_only().type, the_only().name, the_only().owner) == ("Condition", "jobs", None)
    b.run(condition.acquire)
    b.run(condition.notify)
    found = the_only()
    assert (found.type, found.name, found.owner) == ("Lock", "store", ft.Holder(b.ident, "puppet-1"))
    b.run(condition.release)
    waits.result(LIMIT)


def test_an_owner_that_has_ended_or_that_threading_does_not_know() -> None:
    run_isolated(
        """
        import _thread
        from ft_utils.synchronization import Holder
        from support.threads import Puppet, waiting
        def owner_of(lock):
            with Puppet("waiter") as waiter:
                waits = waiter.start(lock.acquire, timeout=0.5)
                waiting(lock)
                (wait,) = snapshot()
                return wait.owner
        lock = IntervalLock()
        thread = threading.Thread(target=lock.lock)
        thread.start(), thread.join()
        assert owner_of(lock) == Holder(0, None)
        other, taken, done = IntervalLock(), threading.Event(), threading.Event()
        def hold():
            with other:
                taken.set()
                done.wait(30)
        ident = _thread.start_new_thread(hold, ())
        taken.wait(30)
        assert owner_of(other) == Holder(ident, None)
        done.set()
        print("ok")
        """,
        expect_out="ok",
    )


def test_beside_locks_that_are_busy() -> None:
    """Whatever is in a queue at that moment: its type is known, but for a thread on its way in or out."""
    run_isolated(
        """
        from ft_utils.synchronization import Condition, Lock, Semaphore
        from support.threads import exercise, until
        interval, plain, rw, permits = IntervalLock(name="a"), Lock(name="b"), ReaderWriterLock(name="c"), Semaphore(1)
        permits.name = "d"
        condition = Condition(plain, name="e")
        names = {id(lock): (type(lock).__name__, lock.name) for lock in (interval, plain, rw, permits, condition)}
        stop = []
        def hammer():
            while not stop:
                with interval, permits:
                    pass
                with RWWriteContext(rw):
                    pass
                with condition:
                    condition.notify()
                    condition.wait(0.001)
        seen = set()
        def look_once():
            for wait in snapshot():
                known = (wait.type, wait.name)
                assert known in (names[wait.lock], (None, None)), wait
                seen.add(known)
            return ("Condition", "e") in seen
        def look():
            try:
                until(look_once)
                for _ in range(500):
                    look_once()
            finally:
                stop.append(True)
        exercise(look, *[hammer] * 4)
        print(("Condition", "e") in seen)
        """,
        expect_out="True",
    )


def test_the_types_are_public() -> None:
    for cls in (ft.Wait, ft.Stats, ft.Holder):
        assert cls.__name__ in ft.__all__ and cls.__module__ == "ft_utils.synchronization"
        assert issubclass(cls, tuple) and cls.__doc__
    assert isinstance(ft.stats(), ft.Stats)
    for result in (ft.stats(), ft.Holder(1, "main"), ft.Wait(1, 2, "shared", 0.5, False)):
        assert pickle.loads(pickle.dumps(result)) == result
    assert threading.get_ident() == ft.Holder(threading.get_ident(), None).thread


@pytest.mark.parametrize("cls", [ft.Stats, ft.LockStats, ft.Holder, ft.Wait, contention.Waiter])
def test_help_tells_what_the_fields_are(cls: Any) -> None:
    """Python's own text for a field is the number of its place."""
    for name in cls._fields:
        text = getattr(cls, name).__doc__
        assert text.endswith(".") and "Alias for field number" not in text


def test_units_are_told() -> None:
    assert "econds" in ft.snapshot.__doc__
