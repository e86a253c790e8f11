"""What type checkers have to accept, and what to refuse: read by mypy and pyright, not run."""

import threading
from contextlib import AbstractContextManager, ExitStack
from typing import Literal, Self, assert_type

import ft_locks
import ft_locks.contention
import ft_locks.typing
from ft_utils import contention
from ft_utils.synchronization import (
    Barrier,
    BoundedSemaphore,
    Condition,
    DeadlockError,
    Event,
    IntervalLock,
    Lock,
    ReaderWriterLock,
    RLock,
    RWLock,
    RWReadContext,
    RWWriteContext,
    Semaphore,
)
from ft_utils.typing import LockLike


def guard(lock: LockLike) -> bool:
    with lock:
        pass
    return lock.acquire(timeout=1.0) and lock.acquire(False)


def entered[T](manager: AbstractContextManager[T]) -> T:
    with ExitStack() as stack:
        return stack.enter_context(manager)


rw = ReaderWriterLock()
locks: list[LockLike] = [
    Lock(),
    RLock(),
    IntervalLock(0.001),
    Semaphore(2),
    BoundedSemaphore(2),
    Condition(),
    Condition(IntervalLock()),
    RWReadContext(rw),
    RWWriteContext(rw),
    threading.Lock(),
    threading.RLock(),
    threading.Semaphore(),
    threading.Condition(),
]
guard(locks[0])
guard(rw)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
guard(Event())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
guard(Barrier(2))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
entered(rw)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

assert_type(entered(IntervalLock()), IntervalLock)
assert_type(entered(RWReadContext(rw)), RWReadContext)
assert_type(entered(Lock()), Literal[True])
assert_type(IntervalLock().acquire(timeout=0.5), bool)
assert_type(Event().wait(1), bool)
assert_type(Condition().wait_for(lambda: "text"), str)
assert_type(Barrier(2).wait(), int)
assert_type(rw.readers(), int)


class Named(IntervalLock):
    def __enter__(self) -> Self:
        return super().__enter__()


assert_type(entered(Named()), Named)

try:
    RWLock().lock_write()
except DeadlockError as error:
    assert_type(error.cycle, tuple[contention.Waiter, ...])

# The second name has the same classes.
same: IntervalLock = ft_locks.IntervalLock()
also: list[ft_locks.typing.LockLike] = [Lock(), ft_locks.Lock()]
ft_locks.contention.dump(format="json")
