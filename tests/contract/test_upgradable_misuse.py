"""Upgradable reading taken wrongly: a sentence that says what to do, and nothing has changed."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from ft_utils.synchronization import ReaderWriterLock

from ..support.threads import LIMIT, Puppet

SHORT = 0.002  # a wait in vain


@pytest.fixture
def rw() -> ReaderWriterLock:
    return ReaderWriterLock()


def free(rw: ReaderWriterLock) -> bool:
    return rw.readers() == 0 and not rw.writer_locked() and not rw.upgradable_locked() and " unlocked " in repr(rw)


Call = Callable[[ReaderWriterLock], Any]

# What this thread holds, what it must not do then, a part of what it is told, and how it lets go.
MISUSE: list[tuple[str, Call | None, str, str, Call | None]] = [
    ("nothing", None, "upgrade", "does not hold", None),
    ("nothing", None, "unlock_upgradable", "does not hold", None),
    ("nothing", None, "downgrade_to_upgradable", "does not hold", None),
    ("nothing", None, "downgrade", "does not hold", None),
    ("a read lock", ReaderWriterLock.lock_read, "upgrade", "cannot be upgraded", ReaderWriterLock.unlock_read),
    ("a read lock", ReaderWriterLock.lock_read, "lock_upgradable", "release it", ReaderWriterLock.unlock_read),
    ("a read lock", ReaderWriterLock.lock_read, "unlock_upgradable", "does not hold", ReaderWriterLock.unlock_read),
    ("the write lock", ReaderWriterLock.lock_write, "upgrade", "already", ReaderWriterLock.unlock_write),
    ("the write lock", ReaderWriterLock.lock_write, "lock_upgradable", "write lock", ReaderWriterLock.unlock_write),
    ("the write lock", ReaderWriterLock.lock_write, "unlock_upgradable", "does not", ReaderWriterLock.unlock_write),
    (
        "the write lock",
        ReaderWriterLock.lock_write,
        "downgrade_to_upgradable",
        r"downgrade\(\)",
        ReaderWriterLock.unlock_write,
    ),
    (
        "the upgradable one",
        ReaderWriterLock.lock_upgradable,
        "lock_upgradable",
        "already",
        ReaderWriterLock.unlock_upgradable,
    ),
    (
        "the upgradable one",
        ReaderWriterLock.lock_upgradable,
        "lock_write",
        r"upgrade\(\)",
        ReaderWriterLock.unlock_upgradable,
    ),
    (
        "the upgradable one",
        ReaderWriterLock.lock_upgradable,
        "unlock_read",
        "release_upgradable",
        ReaderWriterLock.unlock_upgradable,
    ),
    (
        "the upgradable one",
        ReaderWriterLock.lock_upgradable,
        "unlock_write",
        "nobody holds",
        ReaderWriterLock.unlock_upgradable,
    ),
]


@pytest.mark.parametrize(
    ("take", "method", "told", "leave"),
    [row[1:] for row in MISUSE],
    ids=[f"{row[2]} with {row[0]}" for row in MISUSE],
)
def test_misuse(
    rw: ReaderWriterLock, puppet: Puppet, take: Call | None, method: str, told: str, leave: Call | None
) -> None:
    """It is told, and nothing has changed."""
    if take is not None:
        take(rw)
    state = (repr(rw), rw.readers(), rw.upgradable_locked())
    with pytest.raises(RuntimeError, match=told):
        getattr(rw, method)()
    assert (repr(rw), rw.readers(), rw.upgradable_locked()) == state
    if leave is not None:
        leave(rw)
    assert free(rw)
    assert puppet.run(rw.acquire_upgradable, timeout=LIMIT)
    puppet.run(rw.unlock_upgradable)


def test_misuse_after_an_upgrade(rw: ReaderWriterLock, puppet: Puppet) -> None:
    rw.lock_upgradable()
    rw.upgrade()
    for method, told in (
        ("unlock_upgradable", "upgraded"),
        ("upgrade", "already"),
        ("lock_upgradable", "write lock"),
        ("lock_read", r"downgrade\(\)"),
        ("lock_write", "already"),
        ("unlock_read", "does not hold"),
    ):
        with pytest.raises(RuntimeError, match=told):
            getattr(rw, method)()
        assert rw.writer_locked()
    for method in ("unlock_write", "unlock_upgradable", "downgrade_to_upgradable", "upgrade"):
        with pytest.raises(RuntimeError):
            puppet.run(getattr(rw, method))
        assert rw.writer_locked()
    rw.unlock_write()
    assert free(rw)


def test_an_upgrade_that_would_wait_for_oneself(rw: ReaderWriterLock) -> None:
    rw.lock_upgradable()
    rw.lock_read()
    assert rw.upgrade(blocking=False) is False
    with pytest.raises(RuntimeError, match="besides the upgradable one"):
        rw.upgrade()
    rw.unlock_read()
    assert rw.upgrade() is True
    rw.unlock_write()
    assert free(rw)


def test_a_try_that_would_be_misuse_fails(rw: ReaderWriterLock) -> None:
    """As acquire_write(blocking=False) of a thread that reads: it would not wait."""
    for take, leave in (
        (rw.lock_read, rw.unlock_read),
        (rw.lock_write, rw.unlock_write),
        (rw.lock_upgradable, rw.unlock_upgradable),
    ):
        take()
        assert rw.acquire_upgradable(blocking=False) is False
        leave()
    assert free(rw)


def test_a_thread_that_ends_with_it(rw: ReaderWriterLock, puppet: Puppet) -> None:
    """As with any lock, it stays taken."""
    thread = threading.Thread(target=rw.lock_upgradable)
    thread.start()
    thread.join(LIMIT)
    assert rw.readers() == 1
    assert puppet.run(rw.acquire_upgradable, timeout=SHORT) is False
    rw._at_fork_reinit()
    assert free(rw)
    assert puppet.run(rw.acquire_upgradable, timeout=LIMIT) is True
    puppet.run(rw.unlock_upgradable)
