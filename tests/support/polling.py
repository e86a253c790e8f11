"""Processes that wait by polling: forked after a contention, or with a Go library that cannot be loaded."""

import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ft_utils
from ft_utils.synchronization import Barrier, IntervalLock, ReaderWriterLock

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
    until(what, description, 5.0)


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

    def action() -> None:
        acting.set()
        go_on.wait(LIMIT)

    barrier, me = Barrier(1, action), threading.get_ident()
    Handler(signal.SIGINT, raises=True)
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
            barrier.wait()
        except KeyboardInterrupt:
            interrupted = not go_on.is_set()
        ended.set()
        sent.result(LIMIT)
        first.result(LIMIT)
    assert interrupted, "Ctrl-C had to wait for the action"


