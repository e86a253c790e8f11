"""What ReaderWriterLock promises beyond the conformance suite."""

import contextlib
import re
import threading
from typing import Any

import pytest

from ft_utils import synchronization
from ft_utils.synchronization import ReaderWriterLock, RWLock

from ..support.process import run_isolated
from ..support.threads import LIMIT, exercise, until, waiters, waiting

SENTENCE = r"\w+ \w+ \w+"


def idle(lock: ReaderWriterLock) -> bool:
    return lock.readers() == 0 and not lock.writer_locked() and lock.writers_waiting() == 0 and not waiters(lock)


def test_names() -> None:
    assert RWLock is ReaderWriterLock
    assert synchronization.RWLock is synchronization.ReaderWriterLock
    with pytest.raises(TypeError):
        ReaderWriterLock(1)  # type: ignore[call-arg]


def test_return_values() -> None:
    lock = ReaderWriterLock()
    assert lock.lock_read() is None
    assert lock.readers() == 1
    assert lock.unlock_read() is None
    assert lock.readers() == 0
    assert lock.lock_write() is None
    assert lock.writer_locked() is True
    assert lock.unlock_write() is None
    assert lock.writer_locked() is False
    assert type(lock.writers_waiting()) is int


def test_both_pairs_of_names_are_one_lock() -> None:
    lock = ReaderWriterLock()
    lock.lock_read()
    lock.release_read()
    lock.acquire_read()
    lock.unlock_read()
    lock.lock_write()
    lock.release_write()
    lock.acquire_write()
    lock.unlock_write()
    assert idle(lock)


def test_with_names_the_contexts() -> None:
    """It has two sides; the error says how to tell which. Whoever asks learns that it is no context manager."""
    lock = ReaderWriterLock()
    with pytest.raises(TypeError, match=r"two sides.*RWReadContext.*RWWriteContext"):
        with lock:  # type: ignore[attr-defined]
            raise AssertionError("it was entered")
    with pytest.raises(TypeError), contextlib.ExitStack() as stack:
        stack.enter_context(lock)  # type: ignore[arg-type]
    for name in ("__enter__", "__exit__"):
        assert not hasattr(lock, name)
        assert getattr(lock, name, None) is None
    assert not isinstance(lock, contextlib.AbstractContextManager)
    assert idle(lock)


def test_subclass_that_takes_a_side() -> None:
    class Writing(ReaderWriterLock):
        def __enter__(self) -> None:
            self.lock_write()

        def __exit__(self, *_: object) -> None:
            self.unlock_write()

    lock = Writing()
    with lock:
        assert lock.writer_locked()
    assert idle(lock)


def test_repr(puppets: Any) -> None:
    lock = ReaderWriterLock()
    at = " at " + hex(id(lock))
    assert repr(lock) == f"<ReaderWriterLock unlocked{at}>"
    reader, writer = puppets(2)
    reader.run(lock.lock_read)
    lock.lock_read()
    assert repr(lock) == f"<ReaderWriterLock read-locked readers=2 waiters=0{at}>"
    written = writer.start(lock.lock_write)
    waiting(lock)
    assert repr(lock) == f"<ReaderWriterLock read-locked readers=2 waiters=1{at}>"
    lock.unlock_read()
    reader.run(lock.unlock_read)
    written.result(LIMIT)
    assert repr(lock) == f"<ReaderWriterLock write-locked owner={writer.ident} waiters=0{at}>"
    read = reader.start(lock.lock_read)
    waiting(lock)
    assert repr(lock) == f"<ReaderWriterLock write-locked owner={writer.ident} waiters=1{at}>"
    writer.run(lock.unlock_write)
    read.result(LIMIT)
    reader.run(lock.unlock_read)
    assert re.fullmatch(r"<ReaderWriterLock unlocked at 0x[0-9a-f]+>", repr(lock))


# --- readers --------------------------------------------------------------------------------------------------------


def test_readers_share(puppets: Any) -> None:
    lock = ReaderWriterLock()
    crowd = puppets(6)
    for puppet in crowd:
        puppet.run(lock.lock_read)
    assert lock.readers() == 6
    assert not lock.writer_locked()
    for left, puppet in enumerate(reversed(crowd)):
        assert lock.readers() == 6 - left
        puppet.run(lock.unlock_read)
    assert idle(lock)


def test_nested_reads_are_counted() -> None:
    lock = ReaderWriterLock()
    for depth in range(1, 301):
        lock.lock_read()
        assert lock.readers() == depth
    for depth in range(299, -1, -1):
        lock.unlock_read()
        assert lock.readers() == depth
    with pytest.raises(RuntimeError):
        lock.unlock_read()


@pytest.mark.parametrize("upgradable", [False, True])
def test_more_nested_reads_than_are_counted(upgradable: bool) -> None:
    call = f"too_many_reads({upgradable})"
    run_isolated(f"from support.records import *; {call}; print('ok')", expect_out="ok")


def test_many_read_locks_at_once(rng: Any) -> None:
    """More than any record of a thread could hold in place, released in any order."""
    locks = [ReaderWriterLock() for _ in range(200)]
    for lock in locks * 2:
        lock.lock_read()
    assert [lock.readers() for lock in locks] == [2] * 200
    order = locks * 2
    rng.shuffle(order)
    for lock in order:
        lock.unlock_read()
    for lock in locks:
        assert idle(lock)
        with pytest.raises(RuntimeError):
            lock.unlock_read()
        assert lock.acquire_write(blocking=False)
        lock.unlock_write()


def test_many_read_locks_and_a_writer_on_each(puppet: Any) -> None:
    locks = [ReaderWriterLock() for _ in range(200)]
    for lock in locks:
        lock.lock_read()
    assert not any(puppet.run(lambda: [lock.acquire_write(blocking=False) for lock in locks]))
    for lock in locks:
        lock.unlock_read()
        assert puppet.run(lock.acquire_write, blocking=False)
    for lock in locks:
        puppet.run(lock.unlock_write)


def test_nested_read_of_the_last_of_many(puppet: Any) -> None:
    """The thread reads it still, when it has released all that it took before it: more than a line of slots."""
    locks = [ReaderWriterLock() for _ in range(14)]
    for lock in locks:
        lock.lock_read()
    for held, lock in enumerate(locks):
        written = puppet.start(lambda lock=lock: (lock.lock_write(), lock.unlock_write()))
        waiting(lock)
        assert lock.acquire_read(timeout=0.01), f"behind the writer that waits for us, with {held} released"
        lock.unlock_read()
        lock.unlock_read()
        written.result(LIMIT)
        assert idle(lock)


def test_nested_read_while_a_writer_waits(puppets: Any) -> None:
    lock = ReaderWriterLock()
    writer, other = puppets(2)
    lock.lock_read()
    written = writer.start(lock.lock_write)
    waiting(lock)
    assert other.run(lock.acquire_read, blocking=False) is False, "a new reader"
    lock.lock_read()
    assert lock.acquire_read(blocking=False) is True
    assert lock.acquire_read(timeout=1) is True
    assert lock.readers() == 4
    for _ in range(4):
        assert not written.done()
        lock.unlock_read()
    written.result(LIMIT)
    writer.run(lock.unlock_write)


def test_the_read_lock_belongs_to_its_thread(puppets: Any) -> None:
    """With two readers, neither can release the other's."""
    lock = ReaderWriterLock()
    one, two = puppets(2)
    one.run(lock.lock_read)
    with pytest.raises(RuntimeError, match=SENTENCE):
        two.run(lock.unlock_read)
    two.run(lock.lock_read)
    two.run(lock.unlock_read)
    with pytest.raises(RuntimeError, match=SENTENCE):
        two.run(lock.unlock_read)
    assert lock.readers() == 1
    one.run(lock.unlock_read)


# --- writers --------------------------------------------------------------------------------------------------------


def test_a_writer_keeps_everybody_out(puppet: Any) -> None:
    lock = ReaderWriterLock()
    lock.lock_write()
    assert puppet.run(lock.acquire_read, blocking=False) is False
    assert puppet.run(lock.acquire_write, blocking=False) is False
    assert puppet.run(lock.acquire_read, timeout=0.001) is False
    assert puppet.run(lock.acquire_write, timeout=0.001) is False
    lock.unlock_write()
    assert idle(lock)


def test_a_waiting_writer_keeps_new_readers_out(puppets: Any) -> None:
    lock = ReaderWriterLock()
    reader, writer, late = puppets(3)
    reader.run(lock.lock_read)
    assert lock.writers_waiting() == 0
    written = writer.start(lock.lock_write)
    until(lambda: lock.writers_waiting() == 1, "the writer to wait")
    assert late.run(lock.acquire_read, blocking=False) is False
    assert late.run(lock.acquire_read, timeout=0.001) is False
    read = late.start(lock.lock_read)
    entries = waiting(lock, 2)
    assert [(entry.thread, entry.kind) for entry in entries] == [(writer.ident, "exclusive"), (late.ident, "shared")]
    assert lock.writers_waiting() == 1, "readers that wait are not counted"
    reader.run(lock.unlock_read)
    written.result(LIMIT)
    assert lock.writer_locked() and not read.done()
    writer.run(lock.unlock_write)
    read.result(LIMIT)
    late.run(lock.unlock_read)
    assert idle(lock)


def test_writers_waiting_counts(puppets: Any) -> None:
    lock = ReaderWriterLock()
    lock.lock_write()
    writes = [puppet.start(lambda: (lock.lock_write(), lock.unlock_write())) for puppet in puppets(5)]
    until(lambda: lock.writers_waiting() == 5, "five writers to wait")
    lock.unlock_write()
    for write in writes:
        write.result(LIMIT)
    assert lock.writers_waiting() == 0


def test_waiting_readers_are_let_in_together(puppets: Any) -> None:
    lock = ReaderWriterLock()
    crowd = puppets(5)
    lock.lock_write()
    reads = [puppet.start(lock.lock_read) for puppet in crowd]
    waiting(lock, 5)
    assert lock.readers() == 0
    lock.unlock_write()
    for read in reads:
        read.result(LIMIT)
    assert lock.readers() == 5
    for puppet in crowd:
        puppet.run(lock.unlock_read)


def test_writers_do_not_starve_readers(puppets: Any) -> None:
    """Two writers that take turns without end: a reader still comes in."""
    lock = ReaderWriterLock()
    *writers, reader = puppets(3)
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            lock.lock_write()
            lock.unlock_write()

    churning = [writer.start(churn) for writer in writers]
    try:
        for _ in range(20):
            reader.run(lambda: (lock.lock_read(), lock.unlock_read()))
    finally:
        stop.set()
    for future in churning:
        future.result(LIMIT)


def test_readers_do_not_starve_a_writer() -> None:
    """Overlapping readers without end: the writer still comes in."""
    lock = ReaderWriterLock()
    written = threading.Event()

    def read() -> None:
        while not written.is_set():
            lock.lock_read()
            lock.unlock_read()

    def write() -> None:
        for _ in range(20):
            lock.lock_write()
            lock.unlock_write()
        written.set()

    exercise(read, read, read, write)
    assert idle(lock)


# --- what would deadlock --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kwargs", [{"blocking": False}, {"timeout": 0}], ids=repr)
def test_trying_the_other_side(kwargs: Any) -> None:
    """A try cannot deadlock: it says no."""
    lock = ReaderWriterLock()
    lock.lock_read()
    assert lock.acquire_write(**kwargs) is False
    lock.unlock_read()
    lock.lock_write()
    assert lock.acquire_read(**kwargs) is False
    assert lock.acquire_write(**kwargs) is False
    lock.unlock_write()
    assert idle(lock)


@pytest.mark.parametrize("kwargs", [{}, {"timeout": 1}], ids=repr)
def test_upgrade(kwargs: Any) -> None:
    lock = ReaderWriterLock()
    lock.lock_read()
    with pytest.raises(RuntimeError, match=SENTENCE):
        lock.acquire_write(**kwargs)
    with pytest.raises(RuntimeError, match=SENTENCE):
        lock.lock_write()
    assert lock.readers() == 1 and lock.writers_waiting() == 0 and not lock.writer_locked()
    lock.unlock_read()
    assert lock.acquire_write(**kwargs)
    lock.unlock_write()


def test_upgrade_beside_another_reader(puppet: Any) -> None:
    lock = ReaderWriterLock()
    puppet.run(lock.lock_read)
    lock.lock_read()
    with pytest.raises(RuntimeError):
        lock.lock_write()
    puppet.run(lock.unlock_read)
    lock.unlock_read()
    assert idle(lock)


@pytest.mark.parametrize("name", ["lock_read", "lock_write", "acquire_read", "acquire_write"])
def test_locking_by_the_writer(name: str) -> None:
    lock = ReaderWriterLock()
    lock.lock_write()
    with pytest.raises(RuntimeError, match=SENTENCE):
        getattr(lock, name)()
    assert lock.writer_locked() and lock.readers() == 0
    lock.unlock_write()
    assert idle(lock)


@pytest.mark.parametrize("name", ["unlock_read", "unlock_write", "release_read", "release_write", "downgrade"])
def test_releasing_what_is_not_held(name: str, puppet: Any) -> None:
    lock = ReaderWriterLock()

    def refused() -> None:
        with pytest.raises(RuntimeError, match=SENTENCE):
            getattr(lock, name)()

    refused()
    assert idle(lock)
    puppet.run(lock.lock_write)
    refused()
    assert lock.writer_locked()
    puppet.run(lock.unlock_write)
    puppet.run(lock.lock_read)
    refused()
    assert lock.readers() == 1
    puppet.run(lock.unlock_read)
    assert idle(lock)


def test_the_wrong_side_cannot_be_released() -> None:
    lock = ReaderWriterLock()
    lock.lock_read()
    for release in (lock.unlock_write, lock.downgrade):
        with pytest.raises(RuntimeError):
            release()
    lock.unlock_read()
    lock.lock_write()
    with pytest.raises(RuntimeError):
        lock.unlock_read()
    assert lock.writer_locked()
    lock.unlock_write()


# --- downgrade ------------------------------------------------------------------------------------------------------


def test_downgrade(puppet: Any) -> None:
    lock = ReaderWriterLock()
    lock.lock_write()
    assert lock.downgrade() is None
    assert lock.readers() == 1 and not lock.writer_locked()
    assert puppet.run(lock.acquire_read, blocking=False)
    puppet.run(lock.unlock_read)
    with pytest.raises(RuntimeError):
        lock.unlock_write()
    lock.unlock_read()
    assert idle(lock)


def test_no_writer_comes_between(puppets: Any) -> None:
    lock = ReaderWriterLock()
    lock.lock_write()
    writes = [puppet.start(lambda: (lock.lock_write(), lock.unlock_write())) for puppet in puppets(3)]
    waiting(lock, 3)
    lock.downgrade()
    assert lock.readers() == 1 and lock.writers_waiting() == 3
    assert not any(write.done() for write in writes)
    lock.unlock_read()
    for write in writes:
        write.result(LIMIT)
    assert idle(lock)


def test_downgrade_lets_waiting_readers_in(puppets: Any) -> None:
    lock = ReaderWriterLock()
    crowd = puppets(3)
    lock.lock_write()
    reads = [puppet.start(lock.lock_read) for puppet in crowd]
    waiting(lock, 3)
    lock.downgrade()
    for read in reads:
        read.result(LIMIT)
    assert lock.readers() == 4
    lock.unlock_read()
    for puppet in crowd:
        puppet.run(lock.unlock_read)


# --- a writer that gives up -----------------------------------------------------------------------------------------


def test_a_writer_that_gives_up_wakes_the_readers_it_kept_out(puppets: Any) -> None:
    lock = ReaderWriterLock()
    holder, writer, *crowd = puppets(5)
    holder.run(lock.lock_read)
    gave_up = threading.Event()
    crowd_waits = threading.Event()

    def write() -> None:
        # In short tries, so that the writer gives up soon after all have come, however long that takes.
        while not crowd_waits.is_set():
            assert lock.acquire_write(timeout=0.05) is False
        gave_up.set()

    written = writer.start(write)
    until(lambda: lock.writers_waiting() == 1, "the writer to wait")
    reads = [puppet.start(lock.lock_read) for puppet in crowd]
    crowd_waits.set()
    for read in reads:
        read.result(LIMIT)  # the first reader is still there, so it was not its release that let them in
    written.result(LIMIT)
    assert gave_up.is_set() and lock.readers() == 4 and lock.writers_waiting() == 0
    for puppet in [holder, *crowd]:
        puppet.run(lock.unlock_read)
    assert idle(lock)


def test_readers_stay_out_while_another_writer_waits(puppets: Any) -> None:
    lock = ReaderWriterLock()
    holder, patient, hasty, reader = puppets(4)
    holder.run(lock.lock_read)
    written = patient.start(lock.lock_write)
    waiting(lock)
    assert hasty.run(lock.acquire_write, timeout=0.02) is False
    read = reader.start(lock.lock_read)
    assert lock.writers_waiting() == 1
    waiting(lock, 2)
    assert not read.done()
    holder.run(lock.unlock_read)
    written.result(LIMIT)
    patient.run(lock.unlock_write)
    read.result(LIMIT)
    reader.run(lock.unlock_read)
    assert idle(lock)
