"""Locks that are freed while somebody looks at who waits for them. Run in child processes of the tests.

Whoever looks is stopped in the middle, at a call of the C library that it makes there (SOURCE, preloaded), until the
thread that frees the lock has done so, or waits for the end of the look.
"""

import ctypes
import os
import signal
import subprocess
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ft_utils.synchronization as ft
from ft_utils.contention import locks_waited_for, on_deadlock, register

from .compiled import compiler
from .threads import LIMIT, Puppet, until

SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

enum outcome { NONE, STOPPED, FREED, AWAITED };

static _Atomic(int) outcome, armed; /* armed: the call at which to stop, once */
static pthread_mutex_t *_Atomic registry; /* what the stopped thread locked last, and has locked */
static sem_t stopped, over;
static _Thread_local pthread_mutex_t *last;
static _Thread_local int frees;

__attribute__((constructor)) static void begin(void) { sem_init(&stopped, 0, 0), sem_init(&over, 0, 0); }

static void conclude(int how)
{
    int was = STOPPED;
    if (atomic_compare_exchange_strong(&outcome, &was, how)) {
        sem_post(&over);
    }
}

static int wait_for(sem_t *semaphore)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 30;
    int failed;
    while ((failed = sem_timedwait(semaphore, &end)) != 0 && errno == EINTR) {
    }
    return failed;
}

static void stop(int call)
{
    if (atomic_compare_exchange_strong(&armed, &call, 0)) {
        registry = last;
        outcome = STOPPED;
        sem_post(&stopped);
        wait_for(&over);
    }
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    int (*lock)(pthread_mutex_t *) = dlsym(RTLD_NEXT, "pthread_mutex_lock");
    if (frees && mutex == registry) {
        conclude(AWAITED);
    }
    int failed = lock(mutex);
    last = mutex;
    return failed;
}

FILE *open_memstream(char **text, size_t *size)
{
    FILE *(*open)(char **, size_t *) = dlsym(RTLD_NEXT, "open_memstream");
    stop(1);
    return open(text, size);
}

char *strdup(const char *text)
{
    char *(*copy)(const char *) = dlsym(RTLD_NEXT, "strdup");
    stop(2);
    return copy(text);
}

void inspected_arm(int call) { armed = call; }
int inspected_wait(void) { return wait_for(&stopped); }
void inspected_frees(void) { frees = 1; }
void inspected_freed(void) { frees = 0, conclude(FREED); }
int inspected_outcome(void) { return outcome; }
"""
DUMP, LOOK = 1, 2  # the calls at which to stop: each stack of a dump, each line of a circle
AWAITED = 3


@contextmanager
def preloaded() -> Iterator[str]:
    """SOURCE compiled, as the value of LD_PRELOAD."""
    cc = compiler()
    assert cc is not None
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "stop.c"), Path(folder, "stop.so")
        source.write_text(SOURCE)
        subprocess.run([cc, "-O1", "-shared", "-fPIC", "-pthread", "-o", library, source, "-ldl"], check=True)
        yield " ".join([*filter(None, [os.environ.get("LD_PRELOAD")]), str(library)])


class Freed:
    """A lock that is freed at a moment that is known. The thread that makes it frees it."""

    def __init__(self, make: Callable[[], Any], take: str = "acquire", give: str = "release") -> None:
        self.box = [make()]
        self.names = take, give

    def take(self) -> None:
        getattr(self.box[0], self.names[0])()

    def give(self) -> None:
        getattr(self.box[0], self.names[1])()

    def free(self, stop: Any) -> None:
        """Let go of it for the last time."""
        self.give()
        gone = weakref.ref(self.box[0])
        stop.inspected_frees()
        self.box.clear()
        stop.inspected_freed()
        assert gone() is None


class FreedKey(Freed):
    """The lock of a key."""

    def __init__(self) -> None:
        self.keyed = ft.KeyedLock()

    def take(self) -> None:
        self.keyed.acquire("key")

    def give(self) -> None:
        self.keyed.release("key")

    def free(self, stop: Any) -> None:
        stop.inspected_frees()
        self.give()
        stop.inspected_freed()


FREED: dict[str, Callable[[], Freed]] = {
    "KeyedLock": FreedKey,
    "IntervalLock": lambda: Freed(ft.IntervalLock),
    "Lock": lambda: Freed(ft.Lock),
    "RLock": lambda: Freed(ft.RLock),
    "ReaderWriterLock": lambda: Freed(ft.ReaderWriterLock, "lock_write", "unlock_write"),
}


def beside_a_dump(kind: str) -> None:
    """The dump has seen a thread wait for the lock, and has not asked yet who holds it."""
    stop = ctypes.CDLL(None)
    with open(os.devnull, "w") as nowhere, Puppet("holder") as holder, Puppet("waiter") as waiter:
        register(signal.SIGUSR1, nowhere)
        lock = waiter.run(FREED[kind])
        holder.run(lock.take)
        takes = waiter.start(lock.take)
        until(locks_waited_for)
        stop.inspected_arm(DUMP)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert stop.inspected_wait() == 0
        holder.run(lock.give)
        takes.result(LIMIT)
        waiter.run(lock.free, stop)
    assert stop.inspected_outcome() == AWAITED, "the lock was freed in the middle of a dump"
    print("ok")


def beside_a_look(kind: str) -> None:
    """A thread looks for a deadlock; the lock is another one, as that thread might have come across any."""
    stop = ctypes.CDLL(None)
    on_deadlock("raise", 0.01)
    with Puppet("one") as one, Puppet("two") as two, Puppet("three") as three:
        lock = three.run(FREED[kind])
        three.run(lock.take)
        a, b = ft.IntervalLock(), ft.IntervalLock()
        one.run(a.lock), two.run(b.lock)
        stop.inspected_arm(LOOK)
        waits = [one.start(cross, a, b), two.start(cross, b, a)]
        assert stop.inspected_wait() == 0
        three.run(lock.free, stop)
        assert stop.inspected_outcome() == AWAITED, "the lock was freed in the middle of a look for a deadlock"
        assert sorted(wait.result(LIMIT) for wait in waits) == [False, True]
    print("ok")


def cross(held: ft.IntervalLock, other: ft.IntervalLock) -> bool:
    """Whether the other could be had."""
    try:
        with other:
            return True
    except ft.DeadlockError:
        return False
    finally:
        held.unlock()
