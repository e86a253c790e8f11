"""Types to say what a function takes: LockLike, any lock that works in a with statement."""

from types import TracebackType
from typing import Protocol, runtime_checkable

__all__ = ["LockLike"]


@runtime_checkable
class LockLike(Protocol):
    """A lock: what acquire() takes release() gives back, and so does a with statement.

    Lock, RLock, IntervalLock, Semaphore, BoundedSemaphore, Condition, the contexts of a ReaderWriterLock and the
    handles of a KeyedLock are such, and threading's locks, semaphores and conditions too. Not such are a
    ReaderWriterLock and a KeyedLock themselves, what within() returns, Event and Barrier. isinstance() looks whether
    the methods are there. So it says yes for a ResizableSemaphore, whose acquire() takes n first: type checkers say
    no.
    """

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock; True, or False when it was not to be had without waiting, or in `timeout` seconds."""
        ...

    def release(self) -> None:
        """Release the lock."""
        ...

    def __enter__(self) -> object: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> bool | None: ...
