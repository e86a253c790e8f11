"""A Go runtime that leaves the signals of its host alone.

In a shared library Go installs handlers for SIGSEGV, SIGBUS, SIGFPE, SIGPIPE and SIGURG, and unblocks some ten signals
in each of its threads and in each thread that calls it for the first time. A Python process has uses of its own for
all of that: faulthandler, sigtimedwait, signalfd. Go decides by one table, signal by signal, and has no setting for
it, so the library is built with a table that asks for nothing. What Go loses is turning a bad pointer in Go code
into a panic; the host's handlers see it instead.
"""

import re
from pathlib import Path

# Asynchronous preemption interrupts threads by SIGURG. Go code here is short and calls functions, where Go
# preempts without a signal. The linker sets the default that a GODEBUG variable could set at run time.
LINKER_FLAG = "-X=runtime.godebugDefault=asyncpreemptoff=1"

# Of all systems that share their signal numbers with x86-64 and arm64; its package is runtime.
TABLE = Path("src", "runtime", "sigtab_linux_generic.go")

_ROW = re.compile(r"\{(?:0|_Sig\w+(?: \+ _Sig\w+)*), (\"[^\"]*\")\}")
_ROWS = 65  # numbers 0 to 64


class UnknownTable(Exception):
    """The table does not look as expected; the message says what was found."""


def quiet(source: str) -> str:
    """The text of TABLE with no flag set in any row."""
    changed, rows = _ROW.subn(r"{0, \1}", source)
    left = re.findall(r"[{ ]_Sig\w+", changed)
    if rows != _ROWS or left:
        raise UnknownTable(f"it has {rows} rows of signals instead of {_ROWS}, and {len(left)} flags elsewhere")
    return changed
