"""Event loops and tasks that share locks with threads."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from ft_utils import aio
from ft_utils.synchronization import (
    BoundedSemaphore,
    IntervalLock,
    Lock,
    ReaderWriterLock,
    ResizableSemaphore,
    RLock,
    RWReadContext,
    RWWriteContext,
    Semaphore,
)

from .threads import LIMIT, waiters


@dataclass(frozen=True)
class Kind:
    """A lock that tasks and threads take."""

    name: str
    make: Callable[[], Any]
    owned: bool = True  # whoever took it releases it
    exclusive: bool = True

    def __str__(self) -> str:
        return self.name

    def queue(self, lock: Any) -> Any:
        return getattr(lock, "lock", lock) if isinstance(lock, (RWReadContext, RWWriteContext)) else lock

    def waiters(self, lock: Any) -> list[Any]:
        return waiters(self.queue(lock))

    def obstruct(self, lock: Any) -> Any:
        """Whatever keeps everybody out, when it is held by another."""
        return RWWriteContext(lock.lock) if isinstance(lock, RWReadContext) else lock


KINDS = [
    Kind("IntervalLock", IntervalLock),
    Kind("IntervalLock(0)", lambda: IntervalLock(0)),
    Kind("Lock", Lock, owned=False),
    Kind("RLock", RLock),
    Kind("RWReadContext", lambda: RWReadContext(ReaderWriterLock()), exclusive=False),
    Kind("RWWriteContext", lambda: RWWriteContext(ReaderWriterLock())),
    Kind("Semaphore", lambda: Semaphore(1), owned=False),
    Kind("BoundedSemaphore", lambda: BoundedSemaphore(1), owned=False),
    Kind("ResizableSemaphore", lambda: ResizableSemaphore(1), owned=False),
]


def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run in a new event loop, within the limit."""

    async def limited() -> Any:
        async with asyncio.timeout(LIMIT):
            return await main()

    return asyncio.run(limited())


async def soon(predicate: Callable[[], Any], what: str = "the awaited state") -> Any:
    """As until(), while the loop goes on."""
    for _ in range(int(LIMIT / 0.0005)):
        if result := predicate():
            return result
        # That a thread or a task has queued is a state and no event: it can only be looked at.
        await asyncio.sleep(0.0005)
    raise AssertionError(f"{what} did not come about")


async def outcome(future: Awaitable[Any]) -> Any:
    """The result, or the exception."""
    try:
        return await future
    except asyncio.CancelledError as error:
        return error


async def hold(lock: Any, n: int = 1, within: Callable[[], Any] = lambda: None) -> Any:
    async with aio.holding(lock, n):
        return within()


async def in_thread(function: Callable[..., Any], *args: Any) -> Any:
    return await asyncio.to_thread(function, *args)


def turn(lock: Any) -> None:
    """A turn by a thread."""
    assert lock.acquire(timeout=LIMIT)
    lock.release()


def tried(lock: Any) -> bool:
    """A try by a thread, which keeps what it gets."""
    return bool(lock.acquire(blocking=False))
