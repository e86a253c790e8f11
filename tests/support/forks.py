"""Forked children and what they do there. Run in child processes of the tests."""

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from ft_utils.synchronization import IntervalLock, ReaderWriterLock, RWReadContext, RWWriteContext, snapshot, stats

from .blocking import Handler, send_until
from .threads import LIMIT, Puppet, exercise, until, waiting


def in_child(body: Callable[[], Any]) -> None:
    """Fork, run the body in the child and assert that it ended well, within the limit."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            body()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    _, status = until(lambda: (ended := os.waitpid(pid, os.WNOHANG))[0] and ended, "the child to end", 2 * LIMIT)
    assert status == 0, f"the child ended with status {status}"


def contend_anew() -> None:
    """Every lock under contention by threads of this process, new locks and a few rounds of each operation."""
    lock, rw = IntervalLock(0), ReaderWriterLock()
    contend_on(lock, rw)
    time_out_on(lock, rw)
    assert isinstance(snapshot(), list)
    assert stats().contended >= 0


def contend_on(lock: IntervalLock, rw: ReaderWriterLock, rounds: int = 100) -> None:
    total = [0, 0]

    def exclusive() -> None:
        for number in range(rounds):
            with lock:
                total[0] += 1
                if number % 10 == 0:
                    lock.cede()
                lock.poll()

    def shared() -> None:
        for number in range(rounds):
            with RWReadContext(rw):
                assert total[1] == total[1]
            if number % 4 == 0:
                with RWWriteContext(rw):
                    total[1] += 1

    exercise(exclusive, exclusive, shared, shared)
    assert total == [2 * rounds, 2 * (rounds // 4)], total
    assert " unlocked " in repr(lock), repr(lock)
    assert " unlocked " in repr(rw), repr(rw)


def time_out_on(lock: IntervalLock, rw: ReaderWriterLock) -> None:
    """Timeouts hold in the child too, and what was held can be had after its release."""
    with Puppet("holder") as holder:
        holder.run(lock.lock)
        holder.run(rw.lock_write)
        for acquire in (lock.acquire, rw.acquire_read, rw.acquire_write):
            start = time.monotonic()
            assert acquire(timeout=0.05) is False
            assert time.monotonic() - start >= 0.05
        holder.run(lock.unlock)
        holder.run(rw.unlock_write)
        assert lock.acquire(timeout=LIMIT) and rw.acquire_write(timeout=LIMIT)
        lock.unlock()
        rw.unlock_write()


def fork_while_others_wait() -> None:
    """The child forgets the waiters, keeps what the forking thread held, and goes on with threads of its own."""
    lock, rw, written = IntervalLock(), ReaderWriterLock(), ReaderWriterLock()
    puppets = [Puppet(f"waiter-{n}") for n in range(6)]
    lock.lock()
    rw.lock_read()
    rw.lock_read()
    written.lock_write()
    actions = [visiting(lock.lock, lock.unlock)] * 2
    actions += [visiting(rw.lock_write, rw.unlock_write), visiting(written.lock_read, written.unlock_read)] * 2
    visits = [puppet.start(action) for puppet, action in zip(puppets, actions, strict=True)]
    for each in (lock, rw, written):
        waiting(each, 2)

    in_child(lambda: without_waiters(lock, rw, written))
    for each in (lock, rw, written):
        waiting(each, 2)  # in the parent they wait on
    lock.unlock()
    rw.unlock_read()
    rw.unlock_read()
    written.unlock_write()
    for visit in visits:
        visit.result(LIMIT)
    for puppet in puppets:
        puppet.close()
    contend_on(lock, rw)


def visiting(acquire: Callable[[], None], release: Callable[[], None]) -> Callable[[], None]:
    def visit() -> None:
        acquire()
        release()

    return visit


def without_waiters(lock: IntervalLock, rw: ReaderWriterLock, written: ReaderWriterLock) -> None:
    assert lock.locked() and rw.readers() == 2 and written.writer_locked()
    assert rw.writers_waiting() == 0 and snapshot() == []
    assert f"locked owner={threading.get_ident()} waiters=0" in repr(lock), repr(lock)
    lock.poll()
    lock.cede()  # to nobody
    written.downgrade()
    assert written.readers() == 1
    written.unlock_read()
    lock.unlock()
    rw.unlock_read()
    with Puppet() as reader:
        assert reader.run(rw.acquire_read, timeout=LIMIT), "the writer of the parent kept a reader out"
        reader.run(rw.unlock_read)
    rw.unlock_read()
    contend_on(lock, rw)
    contend_on(lock, written)
    time_out_on(lock, written)


def fork_while_others_hold() -> None:
    """What another thread held exclusively stays held for ever in the child, as with threading.Lock.

    What it read is nobody's in the child; whether a writer may come is left open, but it learns in time.
    """
    lock, rw, written = IntervalLock(), ReaderWriterLock(), ReaderWriterLock()

    def child() -> None:
        for acquire in (lock.acquire, written.acquire_read, written.acquire_write):
            assert acquire(blocking=False) is False
            assert acquire(timeout=0.02) is False
        for release in (lock.unlock, rw.unlock_read, written.unlock_write):
            try:
                release()
            except RuntimeError:
                continue
            raise AssertionError("released what another thread held")
        if rw.acquire_write(timeout=0.02):
            rw.unlock_write()
        assert rw.acquire_read(timeout=LIMIT)
        rw.unlock_read()
        contend_anew()

    with Puppet("holder") as holder:
        for acquire in (lock.lock, rw.lock_read, written.lock_write):
            holder.run(acquire)
        in_child(child)
        for release in (lock.unlock, rw.unlock_read, written.unlock_write):
            holder.run(release)
    contend_on(lock, rw)


def fork_from_a_thread() -> None:
    """The thread that forks is the child's main thread, and still the owner of its locks."""
    lock, rw = IntervalLock(), ReaderWriterLock()
    with Puppet("forker") as forker:
        forker.run(lock.lock)
        forker.run(rw.lock_read)

        def child() -> None:
            lock.unlock()
            rw.unlock_read()
            contend_on(lock, rw)
            in_child(contend_anew)  # and a grandchild

        forker.run(in_child, child)
        forker.run(lock.unlock)
        forker.run(rw.unlock_read)
    contend_on(lock, rw)


def interrupt_in_child() -> None:
    """Ctrl-C ends a wait in the child too."""
    Handler(signal.SIGINT, raises=True)
    for lock, exclude, acquire in (
        (interval := IntervalLock(), interval.lock, interval.lock),
        (rw := ReaderWriterLock(), rw.lock_write, rw.lock_read),
        (rw2 := ReaderWriterLock(), rw2.lock_read, rw2.lock_write),
    ):
        Handler(signal.SIGINT, raises=True)
        done, me = threading.Event(), threading.get_ident()
        with Puppet("holder") as holder, Puppet("sender") as sender:
            holder.run(exclude)
            # There is no queue in the child to be looked at: the signals come until one has found the wait.
            sent = sender.start(send_until, done, signal.SIGINT, me, None, 0.05)
            try:
                acquire()
                raise AssertionError("the call returned")
            except KeyboardInterrupt:
                done.set()
            sent.result(LIMIT)
        assert " waiters=0 " in repr(lock), repr(lock)
