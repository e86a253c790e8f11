"""Snippets in a process of their own, for what could crash, hang or spoil this one."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

# CPython 3.14 looks for signals and asynchronous exceptions between __enter__ and the block: what comes there leaves
# the lock held, threading's too.
with_is_whole = pytest.mark.skipif(
    sys.version_info >= (3, 14), reason="an exception may come between __enter__ and the block of a with statement"
)

# With the GIL 3.14 collects garbage in increments, and allocations alone do not tell which of it an increment takes.
collects_at_once = pytest.mark.skipif(
    sys.version_info[:2] == (3, 14) and sys._is_gil_enabled(), reason="a test cannot say when garbage is collected"
)

TESTS = Path(__file__).resolve().parent.parent

# The tests' directory, which holds no ft_utils, is added for the support package. The source tree is not.
PRELUDE = f"""
import os, signal, sys, threading, time
sys.path.insert(0, {str(TESTS)!r})
from ft_utils.synchronization import (
    IntervalLock, ReaderWriterLock, RWReadContext, RWUpgradeContext, RWWriteContext, snapshot, stats)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
"""


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


def run_isolated(
    code: str,
    timeout: float = 60.0,
    *,
    expect_code: int | None = 0,
    expect_out: str | None = None,
    expect_err: str | None = "",
    options: tuple[str, ...] = (),
    prelude: str = PRELUDE,
) -> Outcome:
    """Run a snippet; assert its exit code, its output (stripped) and its errors; None asserts nothing.

    A negative expected code is a signal's number. What is expected of the errors, if not empty, is a part of them.
    """
    outcome = spawn([*options, "-c", prelude + textwrap.dedent(code)], timeout)
    shown = f"exit code {outcome.code}\n--- stdout\n{outcome.out}\n--- stderr\n{outcome.err}"
    assert expect_code is None or outcome.code == expect_code, shown
    assert expect_out is None or outcome.out.strip() == expect_out.strip(), shown
    if expect_err is not None:
        assert expect_err in outcome.err if expect_err else not outcome.err, shown
    return outcome


def spawn(arguments: list[str], timeout: float) -> Outcome:
    """Run this interpreter as a leader of its own session, so that forked children can be ended with it."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-X", "faulthandler", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"no end after {timeout} s\n{last_words(process)}") from None
    finally:
        end_session(process)
        process.communicate()  # reaps it and closes the pipes
    return Outcome(process.returncode, out, err)


def last_words(process: "subprocess.Popen[str]") -> str:
    """Abort a process that hangs: faulthandler then says where every thread is."""
    process.send_signal(signal.SIGABRT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        out, err = process.communicate(timeout=10)
        return f"--- stdout\n{out}\n--- stderr\n{err}"
    return "(and it cannot even be aborted)"


def end_session(process: "subprocess.Popen[str]") -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
