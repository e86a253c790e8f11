"""What ft_utils.aio has: tasks that wait for locks. C does the waiting (pybind/types/objects/task.c)."""

import asyncio
import operator
import weakref
from collections.abc import Awaitable, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ft_utils import _locks

# Between two looks where there is no queue, in seconds: as threads do that poll.
SHORTEST, LONGEST = 0.00005, 0.001


async def acquire(lock: Any, n: int = 1) -> None:
    """Take a lock, or n permits of a ResizableSemaphore, for the current task.

    RuntimeError when the task would wait for itself; ValueError for permits that can never be had; TypeError for what
    a task cannot wait for.
    """
    await _take(lock, n, None)


async def _take(lock: Any, n: int, block: "Holding | None") -> None:
    """Take a lock for the current task, and enter the block in one step with that."""
    loop, task = _current()
    n = operator.index(n)
    if task.waits:
        raise RuntimeError("this task waits for a lock already")
    try:
        taken = task.acquire(lock, n)
        pause = SHORTEST
        while taken is False:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST)
            taken = task.acquire(lock, n)
        while not taken:
            await loop.rung(task)
            taken = task.resume()
        # Nothing is called from here to the caller's next step, so no handler runs that could raise: the lock is either
        # given back below or the caller's.
        if block is None:
            task.claimed = True
        else:
            block._entered = task
    except BaseException:
        task.abandon()  # whatever came in between, it is in no queue and has nothing
        raise


def release(lock: Any, n: int = 1) -> None:
    """Release what the current task has taken by acquire().

    Exceptions are those of the lock's own release(); RuntimeError when another task, or a thread, holds it.
    """
    _, task = _current()
    task.release(lock, n)


async def wait(event: Any) -> None:
    """Wait until an Event is set, also when it is cleared at once."""
    if not hasattr(event, "is_set"):
        raise TypeError(f"wait() waits for an Event, not for {type(event).__name__}; a lock is taken by acquire()")
    await acquire(event)


def holding(lock: Any, n: int = 1) -> "Holding":
    """Return what holds a lock, or n permits of a ResizableSemaphore, within an `async with` block.

    The block yields the lock. The handle can be kept and used again, by any number of tasks.
    """
    return Holding(lock, n)


class Holding(_locks.Block):
    """The handle on a lock that holding() returns. The end of its block is in C (pybind/types/objects/block.c)."""

    __slots__ = ()

    def __new__(cls, lock: Any, n: int = 1) -> "Holding":
        return super().__new__(cls, lock, n, asyncio.current_task, _DONE)

    async def __aenter__(self) -> Any:
        await _take(self._lock, self._n, self)
        return self._lock

    if TYPE_CHECKING:

        def __aexit__(
            self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None, /
        ) -> Awaitable[None]: ...

    def __repr__(self) -> str:
        return f"<Holding of {self._lock!r}>"


class _Done:
    """Something to await that is over."""

    def __await__(self) -> Generator[None]:
        return
        yield


_DONE = _Done()


class _Loop:
    """What an event loop knows of its tasks that use locks. For the loop's thread alone, but for close()."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.bell = _locks.Bell()
        self.tasks: weakref.WeakKeyDictionary[asyncio.Task[Any], Any] = weakref.WeakKeyDictionary()
        self.waiting: dict[int, tuple[Any, asyncio.Future[None]]] = {}
        loop.add_reader(self.bell.fileno(), _Ear(self))

    def of(self, task: "asyncio.Task[Any]") -> Any:
        """The task as an owner of locks, for as long as it exists."""
        known = self.tasks.get(task)
        if known is None:
            known = self.tasks[task] = _locks.Task(self.bell, task)
        return known

    async def rung(self, task: Any) -> None:
        """Wait until a task that is queued was woken."""
        future = asyncio.get_running_loop().create_future()
        self.waiting[task.key] = task, future
        try:
            await future
        finally:
            self.waiting.pop(task.key, None)

    def hear(self) -> None:
        """The bell rang: let those run that were woken. Broken off anywhere, it is called again."""
        for key in self.bell.rung():
            if key in self.waiting:
                task, future = self.waiting[key]
                if not future.done():  # one that is cancelled gives back what it was given when it runs
                    future.set_result(None)
                task.hear()

    def close(self) -> None:
        """The loop runs no more: those that wait will never go on, and are in the way of others."""
        failed = None
        while self.waiting:
            task, _ = self.waiting.popitem()[1]
            try:
                task.abandon()
            except Exception as error:
                failed = failed or error
        if failed:
            raise failed


class _Ear:
    """What the loop calls when the bell rings. The loop alone refers to it: it goes when the loop is closed."""

    def __init__(self, state: _Loop) -> None:
        self._state = state

    def __call__(self) -> None:
        self._state.hear()

    def __del__(self) -> None:
        self._state.close()


# The loop itself keeps its _Loop, by the _Ear: nothing else may, since those that wait refer to the loop.
_loops: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.ref[_Loop]]" = weakref.WeakKeyDictionary()


def _current() -> tuple[_Loop, Any]:
    """The running loop and the current task, each as an owner of locks knows it."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task(loop)
    if task is None:
        raise RuntimeError("locks are taken and released by tasks; this code runs in none")
    known = _loops.get(loop)
    state = known and known()
    if state is None:
        state = _Loop(loop)
        _loops[loop] = weakref.ref(state)
    return state, state.of(task)
