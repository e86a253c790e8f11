"""A little C, for threads that Python alone cannot make. Needs nothing of ft_utils, which some tests import later."""

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCE = """
#include <pthread.h>

typedef void (*callback)(int);

static pthread_key_t key;

static void at_the_end(void *called) { ((callback)called)(1); }

int make_key(void) { return pthread_key_create(&key, at_the_end); }

/* Calls back twice; in between the thread is none of Python's. */
static void *call_twice(void *called)
{
    ((callback)called)(0);
    ((callback)called)(1);
    return NULL;
}

/* The second call comes from a destructor, when others have run and the thread has no record any more, or will. */
static void *call_at_the_end(void *called)
{
    pthread_setspecific(key, called);
    ((callback)called)(0);
    return NULL;
}

/* A handler of signals that wants more than the usual alternate stack. */
static void use_much(int signal)
{
    volatile char room[200 * 1024];
    for (unsigned i = 0; i < sizeof room; i += 1024) {
        room[i] = (char)signal;
    }
}

void *handler_that_uses_much(void) { return (void *)use_much; }

int start_twice(pthread_t *thread, callback called) { return pthread_create(thread, NULL, call_twice, called); }
int start_ending(pthread_t *thread, callback called) { return pthread_create(thread, NULL, call_at_the_end, called); }
"""


def compiler() -> str | None:
    return shutil.which("cc") or shutil.which("gcc")


def helper() -> ctypes.CDLL:
    """SOURCE, compiled."""
    cc = compiler()
    assert cc is not None
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "helper.c"), Path(folder, "helper.so")
        source.write_text(SOURCE)
        subprocess.run([cc, "-shared", "-fPIC", "-pthread", "-o", library, source], check=True)
        return ctypes.CDLL(str(library))
