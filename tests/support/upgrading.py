"""Upgrades that wait, and what may happen to them. Run in child processes, on their main thread."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ft_utils.synchronization import ReaderWriterLock, stats

from .blocking import LONG, Handler, send_until_counted, signalled
from .forks import in_child
from .threads import LIMIT, Puppet, until, waiters


def free(rw: ReaderWriterLock) -> bool:
    return rw.readers() == 0 and not rw.writer_locked() and not rw.upgradable_locked()


def usable(rw: ReaderWriterLock) -> None:
    """Everybody can have everything, again and again."""
    with Puppet("other") as other:
        for _ in range(2):
            other.run(rw.lock_read)
            assert rw.acquire_upgradable(timeout=LIMIT)
            assert rw.upgrade(timeout=0.001) is False
            other.run(rw.unlock_read)
            assert rw.upgrade(timeout=LIMIT)
            assert other.run(rw.acquire_upgradable, timeout=0.001) is False
            rw.release_write()
            assert other.run(rw.acquire_write, timeout=LIMIT)
            other.run(rw.release_write)
    assert free(rw), repr(rw)


@contextmanager
def read_by(reader: Puppet) -> Iterator[ReaderWriterLock]:
    """A lock whose upgradable read lock this thread has, and that the reader reads until the end of the block."""
    rw = ReaderWriterLock()
    reader.run(rw.lock_read)
    rw.lock_upgradable()
    yield rw
    reader.run(rw.unlock_read)


UPGRADES: dict[str, Callable[[ReaderWriterLock], Any]] = {
    "upgrade": ReaderWriterLock.upgrade,
    "upgrade with a timeout": lambda rw: rw.upgrade(timeout=LONG),
    "RWUpgradeContext.upgrade": lambda rw: rw.upgradable().upgrade(),
}


def interrupted(name: str) -> None:
    """Ctrl-C ends the upgrade; this thread reads as before, and nobody is kept out."""
    Handler(signal.SIGINT, raises=True)
    with Puppet("reader") as reader, Puppet("late") as late:
        with read_by(reader) as rw:
            before = stats().interrupts
            try:
                with signalled(signal.SIGINT, rw):
                    UPGRADES[name](rw)
            except KeyboardInterrupt:
                pass
            else:
                raise AssertionError("the call returned")
            assert stats().interrupts > before
            assert not waiters(rw), "a waiter was left in the queue"
            assert rw.readers() == 2 and rw.upgradable_locked() and not rw.writer_locked()
            assert late.run(rw.acquire_read, timeout=LIMIT)
            late.run(rw.release_read)
        assert rw.upgrade(blocking=False)
        rw.unlock_write()
    usable(rw)


def undisturbed(name: str) -> None:
    """Signals whose handler returns do not end the upgrade, nor let a writer go before it."""
    handler = Handler(signal.SIGUSR1)
    written: list[int] = []
    rw, me = ReaderWriterLock(), threading.get_ident()
    with Puppet("reader") as reader, Puppet("writer") as writer, Puppet("watcher") as watcher:
        reader.run(rw.lock_read)
        rw.lock_upgradable()

        def write() -> None:
            with rw.writing():
                written.append(1)

        def watch() -> None:
            until(lambda: any(w.thread == me for w in waiters(rw)), "the main thread to wait")
            writes = writer.start(write)
            for _ in range(5):
                send_until_counted(handler, handler.count, me)
            until(lambda: len(waiters(rw)) == 2, "both to wait")
            reader.run(rw.unlock_read)
            writes.result(LIMIT)

        watched = watcher.start(watch)
        assert UPGRADES[name](rw) is True
        assert not written, "a writer came in between"
        rw.unlock_write()
        watched.result(LIMIT)
    assert handler.count >= 5
    usable(rw)


def in_a_handler(action: Callable[[ReaderWriterLock], Any], told: str | None) -> None:
    """The handler uses the very lock while its thread waits to upgrade; what the upgrade is told then, if anything."""
    with Puppet("reader") as reader:
        rw = ReaderWriterLock()
        acted = threading.Event()

        def act() -> None:
            if not acted.is_set():
                action(rw)
                acted.set()

        Handler(signal.SIGUSR1, action=act)
        reader.run(rw.lock_read)
        rw.lock_upgradable()
        with Puppet("watcher") as watcher:

            def watch() -> None:
                me = threading.main_thread().ident
                assert me is not None
                until(lambda: any(w.thread == me for w in waiters(rw)), "the main thread to wait")
                signal.pthread_kill(me, signal.SIGUSR1)
                assert acted.wait(LIMIT)
                reader.run(rw.unlock_read)

            watched = watcher.start(watch)
            try:
                assert rw.upgrade() is True
                assert told is None, "the upgrade was told nothing"
                rw.unlock_write()
            except RuntimeError as error:
                assert told is not None and told in str(error), str(error)
            watched.result(LIMIT)


def look_around(rw: ReaderWriterLock) -> None:
    """What leaves everything as it was."""
    assert rw.readers() == 2 and rw.upgradable_locked(), repr(rw)
    assert rw.upgrade(blocking=False) is False
    assert rw.upgrade(timeout=0.001) is False
    rw.lock_read()
    rw.unlock_read()
    assert rw.acquire_write(blocking=False) is False


def handlers() -> None:
    in_a_handler(look_around, None)
    in_a_handler(ReaderWriterLock.release_upgradable, "has changed what this thread holds")
    in_a_handler(ReaderWriterLock.downgrade, "has changed what this thread holds")
    in_a_handler(ReaderWriterLock.lock_read, "has changed what this thread holds")


# --- forks ----------------------------------------------------------------------------------------------------------


def forked_while_others_wait() -> None:
    """In the child the threads that upgrade, and that read upgradably or want to, are gone with what they held."""
    cases: list[tuple[str, Callable[[ReaderWriterLock, Puppet, Puppet, Puppet], Any], int]] = [
        ("reads upgradably", lambda rw, one, two, three: one.run(rw.lock_upgradable), 0),
        ("wants to", wants_to, 1),
        ("wants to, behind a writer", behind_a_writer, 2),
        ("upgrades", upgrades, 1),
        ("upgrades, before others", upgrades_before_others, 3),
    ]
    for name, prepare, count in cases:
        rw = ReaderWriterLock()
        with Puppet("one") as one, Puppet("two") as two, Puppet("three") as three:
            prepare(rw, one, two, three)
            until(lambda rw=rw, count=count: len(waiters(rw)) == count, f"{count} to wait when one {name}")
            in_child(lambda rw=rw: (assert_free(rw), usable(rw)))
            let_go(rw, one, two, three)


def assert_free(rw: ReaderWriterLock) -> None:
    assert free(rw), repr(rw)


def wants_to(rw: ReaderWriterLock, one: Puppet, two: Puppet, three: Puppet) -> None:
    one.run(rw.lock_upgradable)
    two.start(lambda: (rw.lock_upgradable(), rw.unlock_upgradable()))


def behind_a_writer(rw: ReaderWriterLock, one: Puppet, two: Puppet, three: Puppet) -> None:
    one.run(rw.lock_read)
    two.start(lambda: (rw.lock_write(), rw.unlock_write()))
    until(lambda: len(waiters(rw)) == 1)
    three.start(lambda: (rw.lock_upgradable(), rw.unlock_upgradable()))


def upgrades(rw: ReaderWriterLock, one: Puppet, two: Puppet, three: Puppet) -> None:
    one.run(rw.lock_read)
    two.run(rw.lock_upgradable)
    two.start(lambda: (rw.upgrade(), rw.unlock_write()))


def upgrades_before_others(rw: ReaderWriterLock, one: Puppet, two: Puppet, three: Puppet) -> None:
    upgrades(rw, one, two, three)
    until(lambda: len(waiters(rw)) == 1)
    three.start(lambda: (rw.lock_write(), rw.unlock_write()))
    until(lambda: len(waiters(rw)) == 2)
    threading.Thread(target=lambda: (rw.lock_read(), rw.unlock_read()), daemon=True).start()


def let_go(rw: ReaderWriterLock, one: Puppet, two: Puppet, three: Puppet) -> None:
    """The one that keeps the others waiting lets them go on."""
    one.run(lambda: rw.unlock_upgradable() if rw.upgradable()._is_owned() else rw.unlock_read())
    until(lambda: free(rw), "the lock to be free")
    usable(rw)


def forks_while_it_upgrades() -> None:
    """A handler forks in the middle of the wait: in the child the reader is gone, and the upgrade succeeds."""
    with Puppet("reader") as reader:
        rw = ReaderWriterLock()
        reader.run(rw.lock_read)
        rw.lock_upgradable()
        forked: list[int] = []

        def child() -> None:
            assert rw.readers() == 1 and rw.upgradable_locked(), repr(rw)
            with Puppet("another") as another:
                another.run(rw.lock_read)
                assert rw.upgrade(timeout=0.01) is False
                another.run(rw.unlock_read)
            assert rw.upgrade(timeout=LIMIT)
            rw.downgrade_to_upgradable()
            rw.unlock_upgradable()
            usable(rw)

        def act() -> None:
            if not forked:
                in_child(child)
                forked.append(1)

        Handler(signal.SIGUSR1, action=act)
        with Puppet("watcher") as watcher:

            def watch() -> None:
                me = threading.main_thread().ident
                assert me is not None
                until(lambda: any(w.thread == me for w in waiters(rw)), "the main thread to wait")
                signal.pthread_kill(me, signal.SIGUSR1)
                until(lambda: forked, "the child to end")
                reader.run(rw.unlock_read)

            watched = watcher.start(watch)
            assert rw.upgrade() is True
            rw.unlock_write()
            watched.result(LIMIT)
    usable(rw)


def forked_while_a_handler_runs() -> None:
    """A thread that has the gate alone, and does not wait at that moment, is gone in the child with the gate."""
    rw, inside, forked = ReaderWriterLock(), threading.Event(), threading.Event()

    def act() -> None:
        inside.set()
        assert forked.wait(2 * LIMIT)

    Handler(signal.SIGUSR1, action=act)

    def child() -> None:
        rw.unlock_write()
        usable(rw)

    def fork() -> None:
        me = threading.main_thread().ident
        assert me is not None
        until(lambda: any(w.thread == me for w in waiters(rw)), "the main thread to wait")
        signal.pthread_kill(me, signal.SIGUSR1)
        assert inside.wait(LIMIT)
        in_child(child)
        forked.set()
        rw.unlock_write()

    with Puppet("writer") as writer:
        writer.run(rw.lock_write)
        written = writer.start(fork)
        rw.lock_upgradable()
        rw.unlock_upgradable()
        written.result(LIMIT)
    usable(rw)


def in_the_hands_of_the_forking_thread() -> None:
    """It keeps what it holds."""
    rw = ReaderWriterLock()
    rw.lock_upgradable()
    in_child(lambda: (rw.upgrade(), rw.unlock_write(), usable(rw)))
    rw.upgrade()
    in_child(lambda: (rw.downgrade_to_upgradable(), rw.unlock_upgradable(), usable(rw)))
    rw.downgrade_to_upgradable()
    rw.lock_read()
    in_child(lambda: (rw.unlock_upgradable(), rw.unlock_read(), usable(rw)))
    rw.unlock_read()
    rw.unlock_upgradable()
    usable(rw)


def written_by_another() -> None:
    """An upgraded lock that another thread holds stays locked in the child: what it guards may be half written."""
    rw = ReaderWriterLock()
    with Puppet("writer") as writer:
        writer.run(rw.lock_upgradable)
        writer.run(rw.upgrade)

        def child() -> None:
            assert rw.acquire_read(timeout=0.01) is False
            assert rw.acquire_upgradable(timeout=0.01) is False
            rw._at_fork_reinit()
            usable(rw)

        in_child(child)
        writer.run(rw.unlock_write)
    usable(rw)


def without_go() -> None:
    """In a process that polls: readers, writers and upgrades take turns, and an upgrade keeps new readers out."""
    usable(ReaderWriterLock())
    rw = ReaderWriterLock()
    with Puppet("reader") as reader, Puppet("upgrader") as upgrader, Puppet("late") as late:
        reader.run(rw.lock_read)
        upgrader.run(rw.lock_upgradable)
        upgraded = upgrader.start(rw.upgrade)
        until(lambda: not late.run(attempt_read, rw), "new readers to be kept out")
        reader.run(rw.unlock_read)
        assert upgraded.result(LIMIT)
        upgrader.run(rw.unlock_write)
        assert late.run(attempt_read, rw)
    usable(rw)
    changed_by_a_handler()


def changed_by_a_handler() -> None:
    """A handler lets go of the upgradable read lock while its thread waits to upgrade it."""
    rw, me = ReaderWriterLock(), threading.get_ident()
    with Puppet("reader") as reader, Puppet("late") as late, Puppet("kicker") as kicker:
        let_go = Handler(signal.SIGUSR1, action=rw.release_upgradable)
        reader.run(rw.lock_read)
        rw.lock_upgradable()

        def kick() -> None:
            until(lambda: not late.run(attempt_read, rw), "the main thread to wait")
            send_until_counted(let_go, 0, me)

        kicked = kicker.start(kick)
        try:
            rw.upgrade()
        except RuntimeError as error:
            assert "has changed what this thread holds" in str(error)
        else:
            raise AssertionError("the call returned")
        kicked.result(LIMIT)
        assert rw.readers() == 1 and not rw.upgradable_locked() and not rw.writer_locked()
        reader.run(rw.unlock_read)
    usable(rw)


def attempt_read(rw: ReaderWriterLock) -> bool:
    if taken := rw.acquire_read(timeout=0.001):
        rw.release_read()
    return taken
