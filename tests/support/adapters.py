"""Every way to hold a lock, under the names of threading.Lock, so that one suite asks all of them the same.

A new primitive is one more row in ADAPTERS; where it differs, its row says so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ft_utils.synchronization import IntervalLock, ReaderWriterLock, RWReadContext, RWUpgradeContext, RWWriteContext


def itself(target: Any) -> Any:
    return target


@dataclass(frozen=True)
class Adapter:
    """One side of one type."""

    name: str
    make: Callable[[], Any]
    held: Callable[[Any], bool]
    acquire: str = "acquire"
    release: str = "release"
    lock_of: Callable[[Any], Any] = itself  # the object that threads wait for
    keep_out: tuple[str, str] = ("acquire", "release")  # methods of that object: what excludes this side
    managed: bool = True  # is a context manager
    shared: bool = False  # several threads may hold it at once
    nests: bool = False  # its holder may take it again

    def __str__(self) -> str:
        return self.name


WRITING = ("acquire_write", "release_write")

ADAPTERS = [
    Adapter("IntervalLock", IntervalLock, IntervalLock.locked),
    Adapter(
        "ReaderWriterLock.read",
        ReaderWriterLock,
        lambda lock: lock.readers() > 0,
        acquire="acquire_read",
        release="release_read",
        keep_out=WRITING,
        managed=False,
        shared=True,
        nests=True,
    ),
    Adapter(
        "ReaderWriterLock.write",
        ReaderWriterLock,
        ReaderWriterLock.writer_locked,
        acquire="acquire_write",
        release="release_write",
        keep_out=WRITING,
        managed=False,
    ),
    Adapter(
        "RWReadContext",
        lambda: RWReadContext(ReaderWriterLock()),
        RWReadContext.locked,
        lock_of=lambda context: context.lock,
        keep_out=WRITING,
        shared=True,
        nests=True,
    ),
    Adapter(
        "RWWriteContext",
        lambda: RWWriteContext(ReaderWriterLock()),
        RWWriteContext.locked,
        lock_of=lambda context: context.lock,
        keep_out=WRITING,
    ),
    Adapter(
        "ReaderWriterLock.upgradable",
        ReaderWriterLock,
        ReaderWriterLock.upgradable_locked,
        acquire="acquire_upgradable",
        release="release_upgradable",
        keep_out=WRITING,
        managed=False,
    ),
    Adapter(
        "RWUpgradeContext",
        lambda: RWUpgradeContext(ReaderWriterLock()),
        RWUpgradeContext.locked,
        lock_of=lambda context: context.lock,
        keep_out=WRITING,
    ),
]

# The classes themselves, with the arguments that make one.
CLASSES = [
    (IntervalLock, lambda: ()),
    (ReaderWriterLock, lambda: ()),
    (RWReadContext, lambda: (ReaderWriterLock(),)),
    (RWWriteContext, lambda: (ReaderWriterLock(),)),
    (RWUpgradeContext, lambda: (ReaderWriterLock(),)),
]


class Subject:
    """An object under test, seen through its adapter."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter
        self.target = adapter.make()
        self.lock = adapter.lock_of(self.target)
        self.acquire = getattr(self.target, adapter.acquire)
        self.release = getattr(self.target, adapter.release)
        self.exclude, self.admit = (getattr(self.lock, name) for name in adapter.keep_out)

    def held(self) -> bool:
        return self.adapter.held(self.target)

    def idle(self) -> bool:
        """Nobody holds it on any side."""
        return " unlocked at 0x" in repr(self.lock)
