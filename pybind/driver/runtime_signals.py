"""A Go runtime that leaves the signals of its host alone.

In a shared library Go installs handlers for SIGSEGV, SIGBUS, SIGFPE, SIGPIPE and SIGURG, and unblocks some ten signals
in each of its threads and in each thread that calls it for the first time. A Python process has uses of its own for
all of that: faulthandler, sigtimedwait, signalfd. Go decides by one table, signal by signal, and has no setting for
it, so the library is built with a table that asks for nothing. What Go loses is turning a bad pointer in Go code
into a panic; the host's handlers see it instead.

Go also gives each thread that calls it an alternate stack for signals, where it has none, and there the host's handlers
run from then on. Go's own need little of it; the host's had the whole stack of the thread before.
"""

import re
from pathlib import Path

# Asynchronous preemption interrupts threads by SIGURG. Go code here is short and calls functions, where Go
# preempts without a signal. Nor does it ask the cgroup for its limit of processors: for that Go keeps two files open,
# by numbers, and a host that closes all descriptors would have its next files read instead. The linker sets the
# default that a GODEBUG variable could set at run time.
LINKER_FLAG = "-X=runtime.godebugDefault=asyncpreemptoff=1,containermaxprocs=0,updatemaxprocs=0"

_ROW = re.compile(r"\{(?:0|_Sig\w+(?: \+ _Sig\w+)*), (\"[^\"]*\")\}")
_ROWS = 65  # numbers 0 to 64


# Untouched pages of it cost nothing but address space, a thirtieth of what the thread's own stack takes.
STACK_KB = 256
_STACK = "mp.gsignal = malg(32 * 1024)"


class UnknownRuntime(Exception):
    """A file of the runtime does not look as expected; the message says what was found."""


def quiet(source: str) -> str:
    """The table of signals with no flag set in any row."""
    changed, rows = _ROW.subn(r"{0, \1}", source)
    left = re.findall(r"[{ ]_Sig\w+", changed)
    if rows != _ROWS or left:
        raise UnknownRuntime(f"it has {rows} rows of signals instead of {_ROWS}, and {len(left)} flags elsewhere")
    return changed


def roomy(source: str) -> str:
    """The making of a thread, with an alternate stack of STACK_KB."""
    found = source.count(_STACK)
    if found != 1:
        raise UnknownRuntime(f"it makes stacks for signals in {found} known places instead of one")
    return source.replace(_STACK, f"mp.gsignal = malg({STACK_KB} * 1024)")


# Below GOROOT. The table is that of all systems that share their signal numbers with x86-64 and arm64.
_RUNTIME = Path("src", "runtime")
CHANGED = {_RUNTIME / "sigtab_linux_generic.go": quiet, _RUNTIME / "os_linux.go": roomy}
