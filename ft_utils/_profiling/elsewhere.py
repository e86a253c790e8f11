"""Go in a process of its own, for one that cannot have it: a forked child, or one without room for Go's memory."""

import os
import subprocess
import sys
from pathlib import Path

# It sees the standard library and this package, whatever the program has done to sys.path, and runs no site's code.
_PROGRAM = """
import sys
sys.path.append(sys.argv[1])
from ft_utils._profiling import elsewhere
elsewhere.answer(sys.argv[2])
"""
_ANSWER = b"+"  # in front of an answer; a process that has failed has none
_SECONDS = 300  # the largest profile takes some seconds on a slow machine


def ask(function: str, text: str) -> str | None:
    """What a function of golib/contention answers; None where no such process can be had, or no Go in it.

    The exit code says nothing: a handler of the program may have reaped the process, or it ignores SIGCHLD.
    """
    if not sys.executable:
        return None
    folder = Path(__file__).parent.parent.parent
    command = [sys.executable, "-I", "-S", "-c", _PROGRAM, os.fspath(folder), function]
    try:
        done = subprocess.run(
            command, input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.removeprefix(_ANSWER).decode() if done.stdout.startswith(_ANSWER) else None


def answer(function: str) -> None:
    """In that process."""
    from ft_utils import _locks  # type: ignore[attr-defined]

    if _locks.load_go():
        from ft_utils import _golib  # type: ignore[attr-defined]

        text = getattr(_golib, f"contention_{function}")(sys.stdin.buffer.read().decode())
        sys.stdout.buffer.write(_ANSWER + text.encode())
