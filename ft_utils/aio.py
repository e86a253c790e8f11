"""Locks that asyncio tasks share with threads, and with the tasks of other event loops.

    async with aio.holding(lock):
        ...
    await aio.wait(event)

A task waits in the queue of the lock itself, in order of arrival among threads and tasks, and its event loop goes on.
No thread waits for it: whoever hands the lock over makes a file readable that the loop watches. IntervalLock, Lock,
RLock, RWReadContext, RWWriteContext, Semaphore, BoundedSemaphore and ResizableSemaphore can be taken, an Event can be
waited for.

What belongs to its owner belongs to the task here, which is what a thread is otherwise: it alone may release, it cannot
take twice what a thread cannot, and an RLock or a read lock may be taken again by the same task. There is no time-out:
use asyncio.timeout(). A task that is cancelled leaves the queue, and what it has just been given goes to the next.
Ctrl-C cancels under asyncio.run(). An exception from a signal handler in the middle of a loop may come between the
acquisition and the block, or between the block and the release, as with every context manager written in Python.
"""

from ft_utils._aio import Holding, acquire, holding, release, wait

__all__ = ["Holding", "acquire", "holding", "release", "wait"]
