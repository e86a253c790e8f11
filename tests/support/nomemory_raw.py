"""As nomemory.py, for what the types take from the C library: the records of threads, and seats.

A preloaded library fails these, and only these: Go and Python take memory from there as well.
"""

import ctypes
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ft_utils.synchronization import BrokenBarrierError, Condition, IntervalLock, Lock, ReaderWriterLock, RLock

from .blocking import Handler, send_until
from .compiled import compiler
from .subjects import BY_NAME, SHORT, SUBJECTS, Subject
from .threads import LIMIT, Puppet

PRELOADED = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

void *__libc_calloc(size_t, size_t);
void *__libc_memalign(size_t, size_t);

static _Thread_local long countdown = -1, failed;

/* The number-th allocation of this thread fails that comes from the types of the locks. */
void starve(long number) { countdown = number; failed = 0; }
long feed(void) { countdown = -1; return failed; }

static int fails(void *caller)
{
    Dl_info info;
    if (countdown < 0 || !dladdr(caller, &info) || !strstr(info.dli_fname, "/_locks.") || countdown-- > 0) {
        return 0;
    }
    failed++;
    errno = ENOMEM;
    return 1;
}

void *calloc(size_t n, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
}
"""


def starving_library(folder: Path) -> Path:
    """The library, to be named in LD_PRELOAD."""
    cc = compiler()
    assert cc is not None
    source, library = folder / "starve.c", folder / "starve.so"
    source.write_text(PRELOADED)
    subprocess.run([cc, "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    return library


Call = Callable[..., Any]


def fails(number: int, function: Call, *args: Any, **kwargs: Any) -> bool:
    """Call the function with its number-th allocation failing; whether it came to that, and MemoryError with it."""
    library = ctypes.CDLL(None)
    library.starve.argtypes, library.feed.restype = [ctypes.c_long], ctypes.c_long
    raised = False
    library.starve(number)
    try:
        function(*args, **kwargs)
    except MemoryError:
        raised = True
    except BrokenBarrierError:
        pass
    failed = library.feed() > 0
    assert raised == failed, f"raised MemoryError: {raised}; ran out of memory: {failed}"
    return failed


def on_a_new_thread(function: Call, *args: Any) -> Any:
    with Puppet() as puppet:
        return puppet.run(function, *args)


def wait_fails(subject: Subject, target: Any, number: int) -> bool:
    """A wait in vain. The lock of a condition is taken before, so what fails there is the record of the thread."""
    method = getattr(target, subject.method)
    with target if isinstance(target, Condition) else nullcontext():
        failed = fails(number, method, SHORT) if subject.name == "Barrier" else fails(number, method, timeout=SHORT)
    if subject.name == "Barrier":
        target.reset()
    return failed


def first_touch() -> None:
    """By a thread that has no record yet: an attempt, a wait, a release, whatever touches a lock first."""
    with Puppet("friend") as friend:
        for subject in SUBJECTS:
            target = subject.make()
            with subject.obstructed(target, friend):
                if isinstance(target, Condition):
                    assert on_a_new_thread(fails, 0, target.acquire), subject
                else:
                    assert on_a_new_thread(wait_fails, subject, target, 0), subject
                assert not on_a_new_thread(wait_fails, subject, target, 1), subject
                assert subject.count(target) == 0
            subject.rested(target)
            subject.usable(target, friend)


def names() -> None:
    """A lock is made with its name or not at all, and renamed or as it was; a name that cannot be read is there."""
    IntervalLock().acquire()  # this thread's record
    assert [fails(number, IntervalLock, name="accounts") for number in range(4)] == [True, True, False, False]
    lock = IntervalLock(name="before")
    for number in range(2):
        assert fails(number, setattr, lock, "name", "after") and lock.name == "before"
        assert fails(number, lock.__init__, name="after") and lock.name == "before"
    assert fails(0, getattr, lock, "name") and lock.name == "before"
    many = [IntervalLock(name=str(i)) for i in range(128)]  # the table is full: with the next it would grow
    assert not fails(2, setattr, lock, "name", "after") and lock.name == "after"
    assert [other.name for other in many] == [str(i) for i in range(128)]


def release_by_a_new_thread() -> None:
    """Of a Lock that is waited for, which any thread may release: it is released later."""
    subject, lock = BY_NAME["Lock"], Lock()
    lock.acquire()
    with Puppet("waiter") as waiter:
        waits = waiter.start(lock.acquire)
        subject.waited_for(lock)
        assert on_a_new_thread(fails, 0, lock.release)
        assert lock.locked() and not waits.done()
        on_a_new_thread(lock.release)
        assert waits.result(LIMIT)
        waiter.run(lock.release)
    subject.rested(lock)


def many_reads(writing: bool) -> None:
    """More read locks than fit into a record: by acquire_read(), and by downgrade() of the seventh."""
    subject = BY_NAME["ReaderWriterLock.read"]

    def body() -> None:
        held = [ReaderWriterLock() for _ in range(6)]
        for each in held:
            each.lock_read()
        one = ReaderWriterLock()
        if writing:
            one.lock_write()
        operation = one.downgrade if writing else one.lock_read
        assert fails(0, operation)
        assert (one.readers(), one.writer_locked()) == (0, writing)
        assert not fails(1, operation)
        assert (one.readers(), one.writer_locked()) == (1, False)
        for each in [*held, one]:
            each.unlock_read()
            subject.rested(each)

    on_a_new_thread(body)


def many_reads_contended() -> None:
    """Somebody writes the seventh, so that the reader would have to wait."""
    subject = BY_NAME["ReaderWriterLock.read"]
    with Puppet("writer") as writer, Puppet("reader") as reader:
        held, one = [ReaderWriterLock() for _ in range(6)], ReaderWriterLock()
        for each in held:
            reader.run(each.lock_read)
        with subject.obstructed(one, writer):
            for timeout in (SHORT, -1):
                assert reader.run(fails, 0, one.acquire_read, timeout=timeout)
                assert subject.count(one) == 0
        assert reader.run(one.acquire_read, timeout=LIMIT) and one.readers() == 1
        for each in [*held, one]:
            reader.run(each.unlock_read)
            subject.rested(each)


def handlers() -> None:
    """No seat for a handler while the main thread stays queued: the wait fails, and the handler runs after it."""
    me = threading.get_ident()
    for subject in (subject for subject in SUBJECTS if subject.method == "wait"):
        target, over = subject.make(), threading.Event()
        handler = Handler(signal.SIGUSR1)
        assert not subject.wait(target, SHORT)  # all that a first wait takes is there
        with Puppet("friend") as friend:
            sent = friend.start(send_until, over, signal.SIGUSR1, me, None, 0.02)
            method = getattr(target, subject.method)
            # The release() of a lock that is used by its methods has a seat too, before any handler.
            number = int(isinstance(target, Condition) and type(target._lock) not in (Lock, RLock, IntervalLock))
            with target if isinstance(target, Condition) else nullcontext():
                assert fails(number, method, timeout=LIMIT)
            over.set()
            sent.result(LIMIT)
            assert handler.count >= 1
            subject.rested(target)
            subject.usable(target, friend)
