"""Processes that wait by polling: forked after a contention, or with a Go library that cannot be loaded."""

import shutil
import signal
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ft_utils
from ft_utils.synchronization import Barrier, IntervalLock, Lock, ReaderWriterLock

from .blocking import Handler
from .subjects import SHORT, SUBJECTS, WRITE, Subject
from .threads import LIMIT, Puppet, until


def broken_package(folder: Path) -> Path:
    """A copy of the installed package whose Go library is no library; its folder goes on PYTHONPATH."""
    source = Path(ft_utils.__file__).parent
    shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    libraries = list((folder / source.name).glob("_golib*.so"))
    assert libraries, "the Go library was not found"
    for library in libraries:
        library.write_bytes(b"this is no library\n")
    return folder


def seen(what: Callable[[], Any], description: str) -> None:
    """As until(), for what comes about within milliseconds if ever: a test that is known to fail need not take long."""
    until(what, description, 3.0)


# --- one at a time --------------------------------------------------------------------------------------------------


def all_types() -> None:
    """Each type can be waited for, in vain and with success."""
    with Puppet("friend") as friend:
        for subject in SUBJECTS:
            target = subject.make()
            with subject.obstructed(target, friend):
                assert not subject.wait(target, SHORT)
            subject.usable(target, friend)


def cede(how: str) -> None:
    """A holder that never releases lets others in by cede() and by poll()."""
    lock = IntervalLock(0)
    got = threading.Event()

    def take() -> None:
        with lock:
            got.set()

    def ceding() -> bool:
        getattr(lock, how)()
        return got.is_set()

    with Puppet("other") as other, lock:
        taken = other.start(take)
        until(lambda: "waiters=1" in repr(lock), "another thread to wait")
        seen(ceding, f"{how}() to let it in")
    taken.result(LIMIT)
    assert not lock.locked()


def seen_after_a_handler(subject: Subject) -> None:
    """A wait that a handler interrupted with one of its own is shown as before."""
    other, target, me = IntervalLock(), subject.make(), threading.get_ident()
    tries: list[bool] = []
    Handler(signal.SIGUSR1, action=lambda: tries.append(other.acquire(timeout=SHORT)))
    with Puppet("friend") as friend, Puppet("holder") as holder, Puppet("watcher") as watcher:
        holder.run(other.acquire)
        friend.run(subject.obstruct, target)

        def watch() -> None:
            try:
                subject.waited_for(target)
                signal.pthread_kill(me, signal.SIGUSR1)
                until(lambda: tries, "the handler to end")
                seen(lambda: subject.count(target) == 1, "the wait to be seen again")
            finally:
                friend.run(subject.admit, target)

        watched = watcher.start(watch)
        assert subject.wait(target, LIMIT)
        subject.leave(target)
        watched.result(LIMIT)
        holder.run(other.release)
    assert tries == [False]


def seen_after_the_warning() -> None:
    """Of a broken library: whoever shows the warning may use locks, a log's for one, and wait for them."""
    other, target = Lock(), IntervalLock()
    shown: list[bool] = []
    warnings.showwarning = lambda *_, **__: shown.append(other.acquire(timeout=SHORT))
    with Puppet("holder") as holder, Puppet("waiter") as waiter:
        holder.run(other.acquire), holder.run(target.acquire)
        waits = waiter.start(target.acquire, timeout=LIMIT)
        until(lambda: shown, "the warning")
        try:
            seen(lambda: "waiters=1" in repr(target), "the wait to be seen again")
        finally:
            holder.run(other.release), holder.run(target.release)
        assert waits.result(LIMIT)
        waiter.run(target.release)
    assert shown == [False]


def all_wait_during_the_action() -> None:
    """Of a barrier; and nobody waits in the moment in which a round is ended that nobody has come to."""
    seen: list[int] = []
    barrier = Barrier(3, lambda: seen.append(barrier.n_waiting))
    with Puppet("one") as one, Puppet("two") as two:
        meetings = [one.start(barrier.wait), two.start(barrier.wait)]
        mine = barrier.wait(LIMIT)
        assert sorted([mine, *(meeting.result(LIMIT) for meeting in meetings)]) == [0, 1, 2]
        assert seen == [3] and barrier.n_waiting == 0
        ended = threading.Event()

        def resets() -> None:
            for _ in range(20_000):
                barrier.reset()
            ended.set()

        resetting = one.start(resets)
        while not ended.is_set():
            assert barrier.n_waiting == 0
        resetting.result(LIMIT)


def handler_reads_while_a_writer_waits() -> None:
    """The writer is the handler's own thread: it stands aside, or the handler would wait for itself."""
    rw, me = ReaderWriterLock(), threading.get_ident()
    reads: list[bool] = []

    def read() -> None:
        reads.append(rw.acquire_read(timeout=1.0))
        if reads[-1]:
            rw.release_read()

    Handler(signal.SIGUSR1, action=read)
    with Puppet("reader") as reader, Puppet("watcher") as watcher:
        reader.run(rw.acquire_read)

        def watch() -> None:
            try:
                WRITE.waited_for(rw)
                signal.pthread_kill(me, signal.SIGUSR1)
                until(lambda: reads, "the handler to end")
            finally:
                reader.run(rw.release_read)

        watched = watcher.start(watch)
        assert rw.acquire_write(timeout=LIMIT)
        rw.release_write()
        watched.result(LIMIT)
    assert reads == [True], "a reader was kept out by the wait of its own thread"


def ctrl_c_before_the_next_round() -> None:
    """A party that has come while the action runs can be interrupted, as with threading."""
    acting, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    waits = [False]

    def action() -> None:
        acting.set()
        go_on.wait(LIMIT)

    def interrupt(*_: object) -> None:
        if waits[0]:
            raise KeyboardInterrupt

    barrier, me = Barrier(1, action), threading.get_ident()
    signal.signal(signal.SIGINT, interrupt)
    with Puppet("party") as party, Puppet("sender") as sender:
        first = party.start(barrier.wait)
        assert acting.wait(LIMIT)

        def send() -> None:
            # Nothing shows that the main thread has come, so the signals go on until one has found it there.
            for _ in range(40):
                if not ended.wait(0.05):
                    signal.pthread_kill(me, signal.SIGINT)
            go_on.set()

        sent = sender.start(send)
        interrupted = False
        try:
            waits[0] = True  # from here to the end of the call no handler runs, but for those that the call runs
            barrier.wait()
        except KeyboardInterrupt:
            interrupted = not go_on.is_set()
        waits[0] = False
        ended.set()
        sent.result(LIMIT)
        first.result(LIMIT)
    assert interrupted, "Ctrl-C had to wait for the action"
