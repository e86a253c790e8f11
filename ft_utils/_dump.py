"""Who waits for what, as text or facts, now or whenever a signal comes. C takes it (pybind/types/core/dump.c)."""

import json
import operator
import os
import re
import signal
import sys
from typing import IO, Any

from ft_utils import _locks
from ft_utils._deadlock import names


def dump(file: IO[str] | None = None, *, format: str = "text") -> None:
    """Write which threads wait for which lock, who holds it, and the stacks of those that wait.

    Locks that nobody waits for are not in it. Of a thread that runs, only that is said. "json" is a list of locks as
    locks_waited_for() returns them. The file is sys.stderr if none is given. ValueError for another format, TypeError
    for what is no file.
    """
    if format not in ("text", "json"):
        raise ValueError(f"format must be 'text' or 'json', not {format!r}")
    out = sys.stderr if file is None else file
    if out is None:
        raise RuntimeError("there is no sys.stderr to dump to; give a file")
    if not (callable(getattr(out, "write", None)) and callable(getattr(out, "flush", None))):
        raise TypeError(f"file must be a text file with write() and flush(), not {type(out).__name__}")
    out.write(_named(_locks.dump_text()) if format == "text" else json.dumps(locks_waited_for(), indent=1) + "\n")
    out.flush()


def _named(text: str) -> str:
    known = names()

    def add(found: "re.Match[str]") -> str:
        name = known.get(int(found[1], 16))
        return found[0] if name is None else f"{found[0]} {name!r}"

    return re.sub(r"thread (0x[0-9a-f]+)", add, text)


def locks_waited_for() -> list[dict[str, Any]]:
    """Return the locks that are waited for: lock, kind, name, holders and waiters, those first that came first.

    lock is id() of the lock; for a key of a KeyedLock the address of that key's lock, which is no object.
    """
    known = names()
    locks: dict[int, dict[str, Any]] = {}
    for word, what, name, ident, native, waited, stack, holders in _locks.dump_facts(True):
        kind, _, side = what.partition(" ")
        lock = locks.setdefault(
            word,
            {
                "lock": word - _locks.WORD_OFFSET,
                "kind": kind,
                "name": name,
                "holders": [
                    {"thread": holder, "name": known.get(holder), "state": _state(holder, waits)}
                    for holder, waits, _ in holders
                ],
                "waiters": [],
            },
        )
        lock["waiters"].append(
            {
                "thread": ident,
                "native_id": native,
                "name": known.get(ident),
                "side": side.strip("()") or None,
                "waited": waited,
                "stack": [line.strip() for line in stack.splitlines()],
            }
        )
    return list(locks.values())


def _state(ident: int, waits: bool) -> str:
    return "ended" if ident == 0 else "waiting" if waits else "running"


# After a handler returns from one of the first four, the instruction that failed is tried again; abort() ends the
# process before anything is written.
_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT}


def _number(signum: Any) -> int:
    """As it was given, never made of a str or a fraction: int("11") would get past the list of crashes."""
    try:
        return operator.index(signum)
    except TypeError:
        raise TypeError(f"signum must be an integer, such as signal.SIGUSR1, not {type(signum).__name__}") from None


def register(signum: int, file: Any = None) -> None:
    """Have a dump written to the file whenever the signal comes, as faulthandler.register does with tracebacks.

    A thread of its own writes it, which needs neither the GIL nor a thread that runs, so it comes even when every
    thread is stuck. It therefore has no names of threads, only their idents and native ids. The file has to have a
    fileno(), and may be closed afterwards: it stays open until unregister(), or until another one is registered for the
    signal. sys.stderr if none is given; what is written to the numbers 0, 1 and 2 goes to whatever has these when the
    signal comes. Forked children take the registration over. OSError for a signal that cannot be handled, ValueError
    for one by which a process crashes, TypeError for what is no integer or no file.
    """
    signum = _number(signum)
    if signum in _CRASHES:
        raise ValueError(
            f"{signal.Signals(signum).name} cannot be registered: a process that crashes would go on crashing for ever "
            "instead of ending; use another signal, and faulthandler.enable() for crashes"
        )
    out = sys.stderr if file is None else file
    if out is None:
        raise RuntimeError("there is no sys.stderr to dump to; give a file")
    if not (isinstance(out, int) or hasattr(out, "fileno")):
        raise TypeError(f"file must have a fileno() or be a number of one, not {type(out).__name__}")
    fd = out if isinstance(out, int) else out.fileno()
    os.fstat(fd)  # OSError now rather than silence later
    _locks.dump_register(signum, fd)


def unregister(signum: int) -> bool:
    """Put back the handler that the signal had before; return whether there was a registration.

    Dumps that have been asked for are still written, and then the file is closed. TypeError for what is no integer.
    """
    return bool(_locks.dump_unregister(_number(signum)))
