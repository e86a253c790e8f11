"""Python in a thread that is not the process's first: it is Python's main thread all the same."""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from ..support.compiled import compiler

# As hosts do that leave signals to the thread of Python.
HOST = """
#include <Python.h>
#include <pthread.h>
#include <signal.h>

static int count, code;
static char **arguments;

static void *run(void *open)
{
    pthread_sigmask(SIG_SETMASK, open, NULL);
    code = Py_BytesMain(count, arguments);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    count = argc;
    arguments = argv;
    return pthread_create(&thread, NULL, run, &before) != 0 || pthread_join(thread, NULL) != 0 ? 99 : code;
}
"""

INTERRUPTED = """
import os, signal, sys, threading
sys.path[:0] = {paths!r}
import ft_utils.synchronization as ft
from support.threads import Puppet, waiting
signal.signal(signal.SIGINT, signal.default_int_handler)
assert threading.current_thread() is threading.main_thread() and threading.get_native_id() != os.getpid()

def waits(lock, wait, *args):
    def interrupt():
        waiting(lock)
        os.kill(os.getpid(), signal.SIGINT)
    helper.start(interrupt)
    try:
        wait(*args)
    except KeyboardInterrupt:
        print(type(lock).__name__)

helper, holder = Puppet("helper"), Puppet("holder")
for make in ft.Lock, ft.RLock, ft.IntervalLock:
    lock = make()
    holder.run(lock.acquire)
    waits(lock, lock.acquire)
waits(event := ft.Event(), event.wait)
waits(barrier := ft.Barrier(2), barrier.wait)
condition = ft.Condition()
with condition:
    waits(condition, condition.wait)
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that runs Python in its second thread."""
    cc, names = compiler(), sysconfig.get_config_vars()
    library = Path(str(names.get("LIBPL")), str(names.get("LIBRARY")))
    if cc is None or not library.is_file():
        pytest.skip("no C compiler, or the interpreter has come without its static library")
    folder = tmp_path_factory.mktemp("host")
    source, program = folder / "host.c", folder / "host"
    source.write_text(HOST)
    options = f"{names['LINKFORSHARED']} {names['LIBS']} {names['SYSLIBS']}".split()
    include = f"-I{sysconfig.get_path('include')}"
    subprocess.run([cc, include, "-pthread", "-o", program, source, library, *options], check=True)
    return program


def test_ctrl_c_ends_a_wait(host: Path) -> None:
    paths = [str(Path(__file__).resolve().parent.parent), sysconfig.get_path("purelib")]
    done = subprocess.run(
        [host, "-c", INTERRUPTED.format(paths=paths)],
        env={**os.environ, "PYTHONHOME": str(sysconfig.get_config_var("prefix"))},
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
    )
    assert done.stdout.split() == ["Lock", "RLock", "IntervalLock", "Event", "Barrier", "Condition"], done
