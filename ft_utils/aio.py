"""Locks that asyncio tasks share with threads, and with the tasks of other event loops.

    async with aio.holding(lock):
        ...
    await aio.wait(event)

A task waits in the queue of the lock itself, in order of arrival among threads and tasks, and its event loop goes on.
No thread waits for it: whoever hands the lock over makes a file readable that the loop watches. IntervalLock, Lock,
RLock, RWReadContext, RWWriteContext, Semaphore, BoundedSemaphore, ResizableSemaphore and KeyedContext can be taken, an
Event can be waited for.

What belongs to its owner belongs to the task here, which is what a thread is otherwise: it alone may release, it cannot
take twice what a thread cannot, and an RLock or a read lock may be taken again by the same task. There is no time-out:
use asyncio.timeout(). A task that is cancelled leaves the queue, and what it has just been given goes to the next.
Ctrl-C cancels under asyncio.run(). An exception that a signal handler raises in the middle of a loop loses no lock:
it comes before one is taken, or in the block, or after the release (CPython 3.14 also has a moment between the taking
and the block, as in every `with` statement).
"""

from ft_utils._aio import Holding, acquire, holding, release, wait

__all__ = ["Holding", "acquire", "holding", "release", "wait"]
