"""lock_stats(): which locks have been waited for, how often and for how long."""

import gc
import math
import threading
from typing import Any

import pytest

import ft_utils.synchronization as ft

from ..support.process import run_isolated
from ..support.subjects import SHORT, SUBJECTS, Subject
from ..support.threads import LIMIT, exercise, until, waiting


def of(lock: Any) -> ft.LockStats | None:
    found = [each for each in ft.lock_stats() if each.lock == id(lock)]
    assert len(found) < 2
    return found[0] if found else None


def queued_in(subject: Subject, target: Any) -> Any:
    lock = subject.queue(target)
    return lock.lock if isinstance(lock, (ft.RWReadContext, ft.RWWriteContext)) else lock


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_a_wait_is_counted(subject: Subject, puppets: Any) -> None:
    friend, waiter = puppets(2)
    target = subject.make()
    lock = queued_in(subject, target)
    assert of(lock) is None
    for count in (1, 2, 3):
        friend.run(subject.obstruct, target)
        waits = waiter.start(subject.wait, target, LIMIT)
        subject.waited_for(target)
        friend.run(subject.admit, target)
        assert waits.result(LIMIT)
        found = of(lock)
        assert found is not None and found.contended == count
        assert (found.type, found.name) == (type(lock).__name__, None)
        assert 0 < found.waited < 10 * LIMIT
        waiter.run(subject.leave, target)
    lock.name = "accounts"
    again = of(lock)
    assert again is not None and math.isclose(again.waited, found.waited, rel_tol=0.001)  # the rate becomes more exact
    assert again == found._replace(name="accounts", waited=again.waited)


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_a_wait_in_vain_is_counted(subject: Subject, puppets: Any) -> None:
    """With the time that it took: no less than its time-out, but for what passed before the thread queued."""
    (friend,) = puppets(1)
    target = subject.make()
    took, before, count = 0.0, 0.0, 0
    with subject.obstructed(target, friend):
        while took < SHORT * 0.999:  # the rate of the counter; a busy machine may need several tries
            assert not subject.wait(target, SHORT)
            count += 1
            found = of(queued_in(subject, target))
            assert found is not None and found.contended == count <= 100
            took, before = found.waited - before, found.waited
            assert took > 0


def test_only_a_wait_is_counted(puppets: Any) -> None:
    (friend,) = puppets(1)
    locks = [ft.IntervalLock(), ft.Lock(), ft.RLock(), ft.Semaphore()]
    for lock in locks:
        for _ in range(10):
            with lock:
                pass
        friend.run(lock.acquire)
        assert not lock.acquire(blocking=False)
        friend.run(lock.release)
        assert of(lock) is None


def test_both_sides_of_a_lock_count_together(puppets: Any) -> None:
    holder, reader, writer = puppets(3)
    rw = ft.ReaderWriterLock(name="prices")
    holder.run(rw.lock_write)
    waits = [writer.start(rw.lock_write)]
    waiting(rw, 1)
    waits.append(reader.start(rw.lock_read))
    waiting(rw, 2)
    assert of(rw) is None, "their waits are not over"
    holder.run(rw.unlock_write)
    waits[0].result(LIMIT)
    writer.run(rw.unlock_write)
    waits[1].result(LIMIT)
    reader.run(rw.unlock_read)
    found = of(rw)
    assert found is not None and (found.type, found.name, found.contended) == ("ReaderWriterLock", "prices", 2)


def test_cede_is_counted_where_it_waits(puppets: Any) -> None:
    (other,) = puppets(1)
    lock = ft.IntervalLock()
    with lock:
        lock.cede()
        assert of(lock) is None
        turn = other.start(lambda: (lock.lock(), lock.unlock()))
        waiting(lock)
        lock.cede()
    turn.result(LIMIT)
    found = of(lock)
    assert found is not None and found.contended == 2


def test_the_costly_ones_first(puppets: Any) -> None:
    (friend,) = puppets(1)
    locks = [ft.IntervalLock(name=str(i)) for i in range(3)]
    for lock, timeout in zip(locks, (0.002, 0.03, 0.01), strict=True):
        friend.run(lock.lock)
        assert not lock.acquire(timeout=timeout)
        friend.run(lock.unlock)
    everything = ft.lock_stats()
    assert [each.waited for each in everything] == sorted((each.waited for each in everything), reverse=True)
    assert {"0", "1", "2"} <= {each.name for each in everything}


def test_they_go_with_the_lock(puppets: Any) -> None:
    (friend,) = puppets(1)
    lock = ft.IntervalLock()
    friend.run(lock.lock)
    lock.acquire(timeout=SHORT)
    friend.run(lock.unlock)
    address = id(lock)
    assert of(lock) is not None
    del lock
    # The friend lets go of its last call when it gets the next.
    until(lambda: friend.run(gc.collect) is not None and address not in {each.lock for each in ft.lock_stats()})


def test_naming_changes_no_count(puppets: Any) -> None:
    (friend,) = puppets(1)
    lock = ft.Lock(name="before")
    friend.run(lock.acquire)
    lock.acquire(timeout=SHORT)
    friend.run(lock.release)
    before = of(lock)
    assert before is not None and before.name == "before"
    for name in ("after", None):
        lock.name = name
        assert of(lock) == before._replace(name=name)
    lock.__init__()
    assert of(lock) == before._replace(name=None)


def test_all_threads_together() -> None:
    """None is lost, however many wait for one lock or for many at the same time."""
    locks = [ft.IntervalLock() for _ in range(8)]
    holding, tried = threading.Event(), threading.Semaphore(0)

    def hold() -> None:
        for lock in locks:
            lock.lock()
        holding.set()
        for _ in range(4):
            assert tried.acquire(timeout=LIMIT)
        for lock in locks:
            lock.unlock()

    def attempt() -> None:
        assert holding.wait(LIMIT)
        for lock in locks * 25:
            assert not lock.acquire(timeout=1e-6)
        tried.release()

    exercise(hold, *[attempt] * 4)
    assert [of(lock).contended for lock in locks] == [100] * 8  # type: ignore[union-attr]


INTERRUPTED = ["IntervalLock", "Lock", "ReaderWriterLock.write", "Semaphore", "Event", "Condition"]


@pytest.mark.parametrize("subject", INTERRUPTED)
def test_an_interrupted_wait_is_counted_once(subject: str) -> None:
    """Also when handlers ran before, that raised nothing."""
    run_isolated(
        f"""
        from ft_utils.synchronization import lock_stats
        from support.blocking import send_until
        from support.subjects import BY_NAME
        from support.threads import Puppet
        subject = BY_NAME[{subject!r}]
        target = subject.make()
        calls = []
        def handler(*_):
            calls.append(1)
            if len(calls) == 3:
                raise KeyboardInterrupt
        signal.signal(signal.SIGUSR1, handler)
        with Puppet("friend") as friend, subject.obstructed(target, friend):
            def send():
                while len(calls) < 3:
                    subject.waited_for(target) if len(calls) == 0 else None
                    signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
                    time.sleep(0.001)  # the rate of the signals; nothing depends on it
            sender = threading.Thread(target=send)
            sender.start()
            try:
                subject.wait(target, None)
            except KeyboardInterrupt:
                print([each.contended for each in lock_stats() if each.type == type(subject.queue(target)).__name__])
            sender.join()
        """,
        expect_out="[1]",
    )


def test_a_forked_child_counts_anew() -> None:
    run_isolated(
        """
        import warnings
        warnings.simplefilter("ignore")
        from ft_utils.synchronization import lock_stats
        from support.threads import Puppet
        lock = IntervalLock(name="accounts")
        with Puppet("friend") as friend:
            friend.run(lock.lock)
            lock.acquire(timeout=0.002)
            friend.run(lock.unlock)
        assert [each.contended for each in lock_stats() if each.name == "accounts"] == [1]
        child = os.fork()
        if child == 0:
            good = lock_stats() == [] and lock.name == "accounts"
            with Puppet("friend") as friend:
                friend.run(lock.lock)
                for _ in range(2):
                    lock.acquire(timeout=0.002)
                friend.run(lock.unlock)
            good = good and [(each.name, each.contended) for each in lock_stats()] == [("accounts", 2)]
            os._exit(0 if good else 1)
        print(os.waitpid(child, 0)[1])
        """,
        expect_out="0",
    )


def test_without_go() -> None:
    """Nothing of it needs the library of queues, nor loads it."""
    run_isolated(
        """
        from ft_utils import _locks
        from ft_utils.synchronization import lock_stats
        assert lock_stats() == [] and not _locks.go_loaded()
        print("ok")
        """,
        expect_out="ok",
    )


def test_the_unit_is_told() -> None:
    assert "seconds" in ft.lock_stats.__doc__
