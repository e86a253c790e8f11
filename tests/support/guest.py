"""What a process looks like from outside Go: masks, handlers, threads. For the snippets of tests/guest."""

import ctypes
import os
import re
import signal
import threading

from ft_utils import _locks
from ft_utils.synchronization import IntervalLock

LIMIT = 20.0
HANDLER, FLAGS = slice(0, 8), slice(136, 140)  # of glibc's struct sigaction on 64-bit Linux
SA_ONSTACK = 0x08000000

libc = ctypes.CDLL(None, use_errno=True)


def contend(waiter=None):
    """One contention: this thread holds a lock and another waits for it, or the other way round.

    With waiter="here" the calling thread is the one that waits, and so the one that enters Go first.
    """
    lock = IntervalLock(0)
    if waiter == "here":
        held, go = threading.Event(), threading.Event()

        def hold():
            with lock:
                held.set()
                go.wait(LIMIT)

        other = threading.Thread(target=hold)
        other.start()
        held.wait(LIMIT)
        assert not lock.acquire(timeout=0.001)  # it enters Go, queues, and gives up
        go.set()
    else:
        lock.lock()
        other = threading.Thread(target=lambda: lock.acquire(timeout=0.001))
        other.start()
    other.join(LIMIT)
    assert not other.is_alive()


def go_runs():
    return _locks.go_loaded()


def threads():
    return {int(name) for name in os.listdir("/proc/self/task")}


def blocked(thread):
    with open(f"/proc/self/task/{thread}/status") as status:
        mask = int(re.search(r"SigBlk:\s+(\w+)", status.read())[1], 16)
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


def go_threads():
    """The threads that are not Python's."""
    return threads() - {thread.native_id for thread in threading.enumerate()}


def handlers():
    """{signal: (handler, flags)} as the kernel has them."""
    found = {}
    for number in signal.valid_signals():
        action = ctypes.create_string_buffer(256)
        if libc.sigaction(number, None, action) == 0:
            found[int(number)] = (action.raw[HANDLER], int.from_bytes(action.raw[FLAGS], "little"))
    return found


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
