"""Keys with code of their own, and what a KeyedLock shows of itself."""

import gc
from typing import Any

from ft_utils.synchronization import KeyedLock

from .threads import until


def queued(keyed: KeyedLock, key: Any, count: int = 1) -> None:
    """Wait until so many threads wait for the lock of a key."""
    until(lambda: f" waiters={count} " in repr(keyed(key)), f"{count} waiting for {key!r}")


def rests(keyed: KeyedLock) -> None:
    """No key is in use any more; the exceptions of a test keep its handles for a while."""
    until(lambda: gc.collect() is not None and len(keyed) == 0, f"{keyed!r} to rest")


class Key:
    """Hash and comparison as they are given."""

    def __init__(self, name: Any, code: Any = lambda: None, hashed: int = 0) -> None:
        self.name, self.code, self.hashed = name, code, hashed

    def __hash__(self) -> int:
        return self.hashed

    def __eq__(self, other: object) -> bool:
        self.code()
        if isinstance(other, Key):
            other.code()
        return isinstance(other, Key) and self.name == other.name
